"""Imports MuJoCo, and what stands on it, so that it fits the process: without OpenGL where nothing is drawn, and quiet."""

import contextlib
import importlib
import logging
import os

from mbrl_tf import errors

# Of the shadow map, in pixels. With the usual 2048, drawing 64x64 pixels in software takes half as much time again, for
# a mean difference of 0.008 grey levels.
_SHADOW_SIZE = 1024


@contextlib.contextmanager
def without_gl():
  """Within this context mujoco and dm_control are imported without OpenGL; afterwards this process cannot draw with them.

  Both read MUJOCO_GL once, when they are first imported, and load what it names: with `egl`, software rendering, which
  crashes beside TensorFlow; where it is unset, dm_control tries all that there are. `disable` loads none of them.
  """
  wanted = os.environ.get('MUJOCO_GL')
  os.environ['MUJOCO_GL'] = 'disable'
  try:
    yield
  finally:
    if wanted is None:
      del os.environ['MUJOCO_GL']
    else:
      os.environ['MUJOCO_GL'] = wanted


def load(module, renders):
  """Imports and returns `module`, such as `mujoco` or `dm_control.suite`.

  Args:
    module: its name.
    renders: whether this process is to draw; where not, OpenGL stays out of it.
  """
  with contextlib.nullcontext() if renders else without_gl():
    loaded = importlib.import_module(module)
    _route_warnings(importlib.import_module('mujoco'))
  return loaded


def prepare_model(model, camera):
  """Sets what must be set before the first frame.

  Args:
    model: of `mujoco`, or dm_control's of the same attributes.
    camera: number of the camera that will draw, or None for the task's own.

  Raises:
    UserError: the model has no such camera.
  """
  model.vis.quality.shadowsize = _SHADOW_SIZE
  if camera is not None and not (isinstance(camera, int) and 0 <= camera < model.ncam):
    raise errors.UserError(f'The cameras of this task are numbered from 0 to {model.ncam - 1}. Received: camera={camera!r}')


def _route_warnings(mujoco):
  """Sends MuJoCo's warnings to `logging`; by itself it prints them and writes MUJOCO_LOG.TXT where one happens to be.

  Dropped: deprecation notes on the model files that come with gymnasium and dm_control, which nobody here can change.
  """
  logger = logging.getLogger(__name__)
  mujoco.set_mju_user_warning(
      lambda message: None if 'is deprecated' in message else logger.warning('MuJoCo: %s', message))
