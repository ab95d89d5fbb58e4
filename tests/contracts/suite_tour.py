"""Draws tasks of the DM Control suite in a process of its own, which must stay free of TensorFlow."""

import sys

from mbrl_tf.environments import simulators


def tour(name, gl):
  """Plays two decisions, and begins a second episode. Returns the images and whether TensorFlow is here."""
  env = simulators.Recipe(f'dmc:{name}', {}, action_repeat=2, observation='pixels', gl=gl)()
  try:
    action = env.action_space.high
    observations = [env.reset()[0], env.step(action)[0], env.step(action)[0], env.reset()[0]]
  finally:
    env.close()
  return [observation['image'] for observation in observations], 'tensorflow' in sys.modules
