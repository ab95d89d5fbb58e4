"""The OpenGL back end, and frames of a MuJoCo task beside TensorFlow where one is installed."""

import subprocess

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.environments import catalog, rendering


@pytest.fixture(autouse=True)
def fresh_search():
  rendering._find.cache_clear()
  yield
  rendering._find.cache_clear()


def test_a_back_end_that_does_not_exist_names_the_packages(monkeypatch):
  monkeypatch.setenv('MUJOCO_GL', 'no_such_back_end')
  with pytest.raises(errors.UserError, match=r"with no_such_back_end\..*apt-get install.*libosmesa6.*Received: MUJOCO_GL='no_such_back_end'"):
    rendering.back_end()


def test_osmesa_is_taken_where_egl_does_not_work(monkeypatch):
  monkeypatch.delenv('MUJOCO_GL', raising=False)
  monkeypatch.setattr(rendering, 'renders', lambda name: name == 'osmesa')
  assert rendering.back_end() == 'osmesa'


def test_an_error_names_both_where_neither_works(monkeypatch):
  monkeypatch.delenv('MUJOCO_GL', raising=False)
  monkeypatch.setattr(rendering, 'renders', lambda name: False)
  with pytest.raises(errors.UserError, match='with egl or osmesa'):
    rendering.back_end()


@pytest.mark.parametrize('given, tried', [
    ('EGL', ['egl']), (' OSMesa ', ['osmesa']), ('1', ['egl', 'osmesa']),
    ('ENABLE', ['egl', 'osmesa']), ('', ['egl', 'osmesa']), ('glfw', ['glfw'])])
def test_names_are_read_as_mujoco_reads_them(monkeypatch, given, tried):
  seen = []
  monkeypatch.setenv('MUJOCO_GL', given)
  monkeypatch.setattr(rendering, 'renders', seen.append)
  with pytest.raises(errors.UserError, match=f'Received: MUJOCO_GL={given!r}'):
    rendering.back_end()
  assert seen == tried


@pytest.mark.parametrize('given', ['disable', 'OFF', '0'])
def test_where_nothing_is_to_be_drawn_it_is_said(monkeypatch, given):
  monkeypatch.setenv('MUJOCO_GL', given)
  with pytest.raises(errors.UserError, match='MUJOCO_GL says that nothing is to be '
                                             f'drawn.*Received: MUJOCO_GL={given!r}'):
    rendering.back_end()


@pytest.mark.parametrize('device', ['99', 'first'])
def test_a_device_that_is_not_there_is_named(monkeypatch, device, caplog):
  monkeypatch.setenv('MUJOCO_EGL_DEVICE_ID', device)
  monkeypatch.setenv('MUJOCO_GL', 'egl')
  with pytest.raises(errors.UserError, match="MUJOCO_EGL_DEVICE_ID name a device.*Received: "
                                             f"MUJOCO_GL='egl', MUJOCO_EGL_DEVICE_ID='{device}'"):
    rendering.back_end()
  assert f'EGL does not draw on the device of MUJOCO_EGL_DEVICE_ID={device}.' in caplog.text


@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('name, variables', [
    ('dmc:cartpole_balance', {'PYOPENGL_PLATFORM': 'osmesa'}),
    ('dmc:cartpole_balance', {'MUJOCO_GL': 'EGL'}),
    ('dmc:cartpole_balance', {'MUJOCO_GL': 'OSMESA', 'PYOPENGL_PLATFORM': 'egl'}),
    ('gym:InvertedPendulum-v5', {'PYOPENGL_PLATFORM': 'GLX'})])
def test_frames_are_drawn_whatever_variables_say_of_the_same(monkeypatch, variables, name):
  monkeypatch.delenv('MUJOCO_GL', raising=False)
  for variable, value in variables.items():
    monkeypatch.setenv(variable, value)
  if 'MUJOCO_GL' in variables and not rendering.renders(variables['MUJOCO_GL'].lower()):
    pytest.skip('this back end is not installed')
  with catalog.make(name, observation='pixels', image_size=16) as environment:
    assert environment.reset().observation['image'].std() > 1


def test_a_back_end_that_hangs_does_not_work(monkeypatch):
  def hang(*args, **kwargs):
    raise subprocess.TimeoutExpired(args, kwargs['timeout'])

  monkeypatch.setattr(subprocess, 'run', hang)
  assert not rendering.renders('egl')


@pytest.mark.usefixtures('gl')
def test_a_mujoco_task_renders_beside_compiled_tensorflow():
  tf.function(lambda x: x @ x, jit_compile=True)(tf.ones((4, 4)))
  environment = catalog.make('gym:Hopper-v5', render_mode='rgb_array', kwargs={'width': 64, 'height': 48})
  environment.reset()
  before = environment.render()[0]
  for _ in range(3):
    environment.step(np.ones((1, 3), np.float32))
  after = environment.render()[0]
  environment.close()
  assert before.shape == (48, 64, 3) and before.dtype == np.uint8 and before.std() > 5
  assert (before != after).any()
