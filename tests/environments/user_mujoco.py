"""A MuJoCo simulator as a user might bring it, which imports mujoco at the top and draws its own observations."""

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

MODEL = """<mujoco>
  <worldbody>
    <light pos="0 0 3"/>
    <body><joint name="x" type="slide" axis="1 0 0"/><geom size="0.3" mass="1" rgba="1 0 0 1"/></body>
  </worldbody>
  <actuator><motor joint="x" gear="20" ctrlrange="-1 1" ctrllimited="true"/></actuator>
</mujoco>"""


class Slider(gymnasium.Env):
  """A ball on a rail; observes an image where it is asked to."""

  time_limit = 10
  action_space = spaces.Box(-1, 1, (1,), np.float32)

  def __init__(self, render_mode=None, draws_itself=False, draws_at_once=False):
    self.render_mode = render_mode
    image, vector = spaces.Box(0, 255, (24, 24, 3), np.uint8), spaces.Box(-9, 9, (2,), np.float32)
    self.observation_space = image if draws_itself else vector
    self._draws_itself = draws_itself
    self._model = mujoco.MjModel.from_xml_string(MODEL)
    self._data = mujoco.MjData(self._model)
    self._renderer = mujoco.Renderer(self._model, 24, 24) if draws_at_once else None

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    mujoco.mj_resetData(self._model, self._data)
    mujoco.mj_forward(self._model, self._data)
    return self._observation(), {}

  def step(self, action):
    self._data.ctrl[:] = action
    mujoco.mj_step(self._model, self._data, 20)
    return self._observation(), 0.0, False, False, {}

  def render(self):
    self._renderer = self._renderer or mujoco.Renderer(self._model, 24, 24)
    self._renderer.update_scene(self._data)
    return self._renderer.render()

  def close(self):
    if self._renderer:
      self._renderer.close()

  def _observation(self):
    if self._draws_itself:
      return self.render()
    return np.array([self._data.qpos[0], self._data.qvel[0]], np.float32)
