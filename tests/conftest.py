"""Imported before any test: `mbrl_tf` must come before TensorFlow, whatever order a test imports them in."""

import pytest

import mbrl_tf  # noqa: F401


@pytest.fixture(scope='session')
def gl():
  """The OpenGL back end that works here; a test that needs one is skipped where none does, with the packages that bring it."""
  from mbrl_tf import errors
  from mbrl_tf.environments import rendering
  try:
    return rendering.back_end()
  except errors.UserError as error:
    pytest.skip(str(error))
