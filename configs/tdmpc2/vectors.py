"""TD-MPC2 from vectors: one set of numbers for any task.

`--config.environment.name=` chooses the task. All numbers are the defaults of the algorithm; its
config.py says where each comes from.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.tdmpc2 import config as tdmpc2


def get_config():
  """Returns the config."""
  return tdmpc2.TDMPC2Config(
      environment=base.EnvironmentConfig(name='dmc:walker_walk', action_repeat=0),
      run=base.RunConfig(
          env_steps=100_000, evaluate_every_env_steps=10_000, checkpoint_every_env_steps=5000))
