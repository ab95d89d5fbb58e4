"""TD-MPC2 from 64x64 pixels: one set of numbers for any task.

`--config.environment.name=` chooses the task.
Beside the defaults, from which vectors are learned, an update is of half as many sequences, and
there is one for two decisions: convolutions take ten times as long as all that follows.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.tdmpc2 import config as tdmpc2


def get_config():
  """Returns the config."""
  return tdmpc2.TDMPC2Config(
      environment=base.EnvironmentConfig(
          name='dmc:walker_walk', action_repeat=0, observation='pixels'),
      run=base.RunConfig(
          env_steps=100_000, evaluate_every_env_steps=20_000, checkpoint_every_env_steps=5000),
      replay=tdmpc2.ReplayConfig(batch_size=64),
      learner=tdmpc2.LearnerConfig(updates_per_decision=0.5))
