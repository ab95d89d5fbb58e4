"""Images as observations, of any simulator that draws frames; free of TensorFlow."""

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from mbrl_tf import errors

OBSERVATIONS = ('vectors', 'pixels', 'both')
KEY = 'image'  # of what is drawn


class AddImages(gymnasium.Wrapper):
  """Observes `{'image': uint8 [size, size, 3]}`, alone or beside what the simulator observes.

  Drawing costs far more than most simulators' steps. So this stands outside of `RepeatActions`: one frame is drawn per
  decision, however often the action is repeated, and `render` returns that frame instead of drawing another. A frame of
  another size is averaged over areas, and squeezed where it is not square.
  """

  def __init__(self, env, name, observation, size):
    """Draws nothing yet, so that spaces can be read where nothing may be drawn.

    Args:
      env: draws uint8 `[height, width, 3]`.
      name: for errors.
      observation: `pixels`, or `both`: also what the simulator observes, under `vector`, or its own
        dict's entries.
      size: of the image, in pixels.

    Raises:
      UserError: `both` does not fit what the simulator observes.
    """
    super().__init__(env)
    self._name = name
    self._size = size
    self._frame = None
    own = env.observation_space
    self._keeps, self._is_dict = observation == 'both', isinstance(own, spaces.Dict)
    parts = {}
    if self._keeps:
      parts = dict(own.spaces) if self._is_dict else {'vector': own}
      if KEY in parts or isinstance(own, spaces.Text) or (
          isinstance(own, spaces.Box) and len(own.shape) > 1):
        raise errors.UserError(
            f"observation='both' puts an image beside the vector, or the dict without an image, that a simulator observes; "
            f"that is not what {name} observes. Take 'vectors' for just what it observes, or 'pixels' for just the image. "
            f'Received: observation_space={own}')
    self.observation_space = spaces.Dict({KEY: spaces.Box(0, 255, (size, size, 3), np.uint8), **parts})

  def reset(self, *, seed=None, options=None):
    observation, info = self.env.reset(seed=seed, options=options)
    return self._with_image(observation), info

  def step(self, action):
    observation, reward, terminated, truncated, info = self.env.step(action)
    return self._with_image(observation), reward, terminated, truncated, info

  def render(self):
    """Returns the frame of the last observation, in the size in which it was drawn."""
    return self._frame

  def _with_image(self, observation):
    parts = {}
    if self._keeps:
      parts = observation if self._is_dict else {'vector': observation}
    self._frame = self._checked(self.env.render())
    return {KEY: resized(self._frame, self._size), **parts}

  def _checked(self, frame):
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
      raise errors.SimulatorError(
          f"{self._name} was built with render_mode='rgb_array', and its render() must return uint8 [height, width, 3]. "
          f'Received: frame={frame.dtype}{list(frame.shape)}')
    return frame


def resized(frame, size):
  """Returns `frame`, uint8 `[height, width, 3]`, as uint8 `[size, size, 3]`; each pixel is the average of what it covers."""
  if frame.shape[:2] == (size, size):
    return frame
  return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BOX))
