"""Imported before any test: `mbrl_tf` must come before TensorFlow, whatever order a test imports them in."""

import atexit
import os
import shutil
import tempfile

import pytest

import mbrl_tf  # noqa: F401

os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')  # half the time for convolutions, of which the tests have most
# Programs are small here, and take longer to compile than to run: a quarter less of the time for runs of MB-MPO.
os.environ.setdefault('XLA_FLAGS', '--xla_backend_optimization_level=1')
if 'TF_XLA_FLAGS' not in os.environ:  # in the first process: those that it starts find here what another has compiled
  _compiled = tempfile.mkdtemp(prefix='mbrl_tf_compiled_')
  atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
  os.environ['TF_XLA_FLAGS'] = f'--tf_xla_persistent_cache_directory={_compiled}'
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # each program found there is told as an error, of a format tried before
os.environ['MBRL_TF_CACHE'] = 'off'  # nothing of the user's is touched
os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')  # two processes test at once


@pytest.fixture(scope='session')
def gl():
  """The OpenGL back end that works here; a test that needs one is skipped where none does, with the packages that bring it."""
  from mbrl_tf import errors
  from mbrl_tf.environments import rendering
  try:
    return rendering.back_end()
  except errors.UserError as error:
    pytest.skip(str(error))
