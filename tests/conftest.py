"""Imported before any test: `mbrl_tf` must come before TensorFlow, whatever order a test imports them in."""

import mbrl_tf  # noqa: F401
