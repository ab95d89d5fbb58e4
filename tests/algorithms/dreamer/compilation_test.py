"""Which programs XLA compiles on which device."""

import pytest
import tensorflow as tf

from mbrl_tf.algorithms.dreamer import compilation


@pytest.mark.parametrize('gpus, program, xla', [
    ((), 'gradient_step', False), (('a GPU',), 'gradient_step', True), ((), 'open_loop', False),
    (('a GPU',), 'open_loop', False)])
def test_xla_compiles_the_gradient_step_on_a_gpu_alone(gpus, program, xla, monkeypatch):
  monkeypatch.setattr(tf.config, 'get_visible_devices', lambda kind: {'GPU': list(gpus)}[kind])
  compiled = compilation.compiled(program, tf.square)
  traced = compiled.get_concrete_function(tf.constant(3.0))
  assert traced.function_def.attr['_XlaMustCompile'].b == xla and float(traced(tf.constant(3.0))) == 9
