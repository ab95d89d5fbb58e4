"""Walker2d, which terminates when it falls, in imagination as in the simulator. Settings of hopper.py, horizon 200."""

from configs.mbmpo import hopper


def get_config():
  """Returns the config."""
  config = hopper.get_config()
  config.environment.name, config.environment.kwargs = 'gym:Walker2d-v5', {}
  config.ensemble.angles = tuple(range(1, 8))
  return config
