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
_DEVICE = 'MUJOCO_EGL_DEVICE_ID'
# What mujoco takes MUJOCO_GL for besides a name.
_ANY = ('1', 'on', 'true', 'enable', 'enabled')
_NONE = ('0', 'no', 'off', 'false', 'disable', 'disabled')

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
    UserError: none works; names the Debian packages that bring one, and the variables that decide.
  """
  return _find(wanted(), os.environ.get(_DEVICE))


def wanted():
  """Returns what MUJOCO_GL asks for, in small letters, as dm_control reads it; empty where it
  leaves the choice.
  """
  name = os.environ.get('MUJOCO_GL', '').strip().lower()
  return '' if name in _ANY else name


def use(name):
  """Has this process, which has not imported mujoco yet, draw with a back end."""
  os.environ.update(_variables(name))


@functools.cache
def _find(name, device):
  tried = (name,) if name else _BACK_ENDS
  for each in tried:
    if renders(each):
      logging.getLogger(__name__).info('MuJoCo renders with MUJOCO_GL=%s.', each)
      return each
    if each == 'egl' and device is not None:
      logging.getLogger(__name__).warning('EGL does not draw on the device of %s=%s.', _DEVICE,
                                          device)
  received = f'MUJOCO_GL={os.environ.get("MUJOCO_GL", "")!r}'
  if device is not None:
    received += f', {_DEVICE}={device!r}'
  if name in _NONE:
    raise errors.UserError('MUJOCO_GL says that nothing is to be drawn, and frames are asked for. '
                           f'Received: {received}')
  advice = f'Does {_DEVICE} name a device of this machine? ' if device is not None else ''
  raise errors.UserError(
      f'MuJoCo cannot render here with {" or ".join(tried)}. {advice}On Debian or Ubuntu install '
      'EGL or OSMesa: '
      '`apt-get install libegl1 libgl1 libgles2 libgl1-mesa-dri` (EGL) or `apt-get install libosmesa6` (OSMesa), and leave MUJOCO_GL unset, '
      f'so that both are tried; or do not ask for frames. Received: {received}')


def renders(name):
  """Whether two frames can be rendered with this back end, tried in a child process."""
  if name in _NONE:
    return False
  try:
    trial = subprocess.run(
        [sys.executable, '-c', _TRIAL], env={**os.environ, **_variables(name)}, capture_output=True,
        text=True, timeout=60)
  except subprocess.TimeoutExpired:
    return False
  # OSMesa may fail while the interpreter exits, after all frames are there: the output counts, not the exit status.
  return 'rendered' in trial.stdout


def _variables(name):
  """Returns the environment of a process that draws with a back end: mujoco refuses another's name
  in PYOPENGL_PLATFORM.
  """
  return {'MUJOCO_GL': name, 'PYOPENGL_PLATFORM': name if name in _BACK_ENDS else ''}
