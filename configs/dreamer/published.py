"""The published Dreamer, on walker-walk from 64 x 64 pixels (Hafner et al. 2019, arXiv:1912.01603,
and its authors' code).

Other tasks of the suite: `--config.environment.name=dmc:cheetah_run` and so on. Published at
1,000,000 env steps: about 950.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.dreamer import config as dreamer


def get_config():
  """Returns the config: the defaults are the published ones."""
  return dreamer.DreamerConfig(
      environment=base.EnvironmentConfig(name='dmc:walker_walk', action_repeat=2, observation='pixels', image_size=64),
      run=base.RunConfig(env_steps=1_000_000, evaluate_every_env_steps=10_000, evaluate_videos=True))
