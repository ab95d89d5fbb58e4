"""Walker2d, which terminates when it falls, in imagination as in the simulator. Settings of halfcheetah.py, horizon 200."""

from configs.mbmpo import halfcheetah


def get_config():
  """Returns the config."""
  config = halfcheetah.get_config()
  config.environment.name = 'gym:Walker2d-v5'
  config.ensemble.angles = tuple(range(1, 8))
  return config
