"""Finds an OpenGL back end that MuJoCo can render with, without risking this process.

Without a display, a back end that does not work fails at the first render and aborts the process at the second. So each
is tried in a child process, before any worker imports mujoco.
"""

import functools
import logging
import os
import subprocess
import sys

from mbrl_tf import errors

_BACK_ENDS = ('egl', 'osmesa')

_TRIAL = '''
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><geom size="1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 16, 16)
for _ in range(2):
  renderer.update_scene(data)
  assert renderer.render().shape == (16, 16, 3)
print('rendered', flush=True)
'''


def back_end():
  """Returns the value of MUJOCO_GL that works here: `egl` or `osmesa`, or what MUJOCO_GL already says.

  Raises:
    UserError: none works; names the Debian packages that bring one.
  """
  return _find(os.environ.get('MUJOCO_GL', ''))


@functools.lru_cache(maxsize=None)
def _find(wanted):
  tried = (wanted,) if wanted else _BACK_ENDS
  for name in tried:
    if renders(name):
      logging.getLogger(__name__).info('MuJoCo renders with MUJOCO_GL=%s.', name)
      return name
  raise errors.UserError(
      f'MuJoCo cannot render here with {" or ".join(tried)}. On Debian or Ubuntu install EGL or OSMesa: '
      '`apt-get install libegl1 libgl1 libgles2 libgl1-mesa-dri` (EGL) or `apt-get install libosmesa6` (OSMesa), and leave MUJOCO_GL unset, '
      f'so that both are tried; or do not ask for frames. Received: MUJOCO_GL={wanted!r}')


def renders(name):
  """Whether two frames can be rendered with this back end, tried in a child process."""
  try:
    trial = subprocess.run(
        [sys.executable, '-c', _TRIAL], env={**os.environ, 'MUJOCO_GL': name}, capture_output=True, text=True, timeout=60)
  except subprocess.TimeoutExpired:
    return False
  # OSMesa may fail while the interpreter exits, after all frames are there: the output counts, not the exit status.
  return 'rendered' in trial.stdout
