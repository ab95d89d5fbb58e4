"""Walker-walk from vectors: positions and velocities instead of images.

What differs from the published settings, which are for images, and why:
  Vectors are compressed by symlog, so that rare large velocities do not dominate.
  1 nat is free instead of 3, and the KL weighs 0.1: with a likelihood of unit variance on 24 numbers instead of
  12,288, the KL would outweigh what there is to be learned.
  Networks and batches are smaller, 16 sequences of 32 steps and 200 units: a gradient step takes a tenth of a second on two cores.
  Learning rates are 1e-3 and 3e-4, for there are a tenth of the gradient steps in all.
With 128 units, half of the states imagined from and an entropy worth 0.01, a gradient step takes a third of the time, and one seed of
two returned 28 after 20,000 env steps where it returned 169 with these settings.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.dreamer import config as dreamer


def get_config():
  """Returns the config."""
  return dreamer.DreamerConfig(
      environment=base.EnvironmentConfig(name='dmc:walker_walk', action_repeat=2),
      run=base.RunConfig(env_steps=100_000, evaluate_every_env_steps=10_000, checkpoint_every_env_steps=5000),
      replay=dreamer.ReplayConfig(batch_size=16, batch_length=32),
      model=dreamer.ModelConfig(vector_layers=2, vector_units=200, vector_symlog=True, units=200, free_nats=1.0, kl_scale=0.1,
                                learning_rate=1e-3),
      behavior=dreamer.BehaviorConfig(actor_layers=2, value_layers=2, units=200, actor_learning_rate=3e-4,
                                      value_learning_rate=3e-4))
