"""How things are timed, and the peak that they are compared with."""

import statistics
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

_SIZES = (512, 1024, 2048)
_GPU_SIZES = (4096, 8192)


class Timing(NamedTuple):
  """Seconds of the first call, which compiles, and the median of the others."""
  first: float
  median: float


def measure(function, repeats) -> Timing:
  """Times a function that returns only when its work is finished.

  Args:
    function: without arguments.
    repeats: calls after the first.
  """
  seconds = []
  for _ in range(repeats + 1):
    begin = time.perf_counter()
    function()
    seconds.append(time.perf_counter() - begin)
  return Timing(seconds[0], statistics.median(seconds[1:]))


def peak_flop_per_second(repeats=3) -> float:
  """The most that a product of two square float32 matrices reaches here, over several sizes.

  Through TensorFlow, on the device where it computes, and without a GPU through numpy's BLAS too: the peak must not be
  lower because one of the two is badly built. The fastest of the repeats counts: a peak is no median.
  """
  on_gpu = bool(tf.config.list_physical_devices('GPU'))
  product = tf.function(lambda a: tf.reduce_sum(a @ a), autograph=False)
  best = 0.0
  for size in _GPU_SIZES if on_gpu else _SIZES:
    matrix = np.random.default_rng(size).standard_normal((size, size), np.float32)
    tensor = tf.constant(matrix)
    ways = [lambda: product(tensor).numpy()] + ([] if on_gpu else [lambda: matrix @ matrix])
    for way in ways:
      way()
      best = max(best, 2 * size**3 / min(_seconds(way) for _ in range(repeats)))
  return best


def device() -> str:
  """Returns the name of the device where TensorFlow computes."""
  gpus = tf.config.list_physical_devices('GPU')
  return tf.config.experimental.get_device_details(gpus[0]).get('device_name', 'GPU') if gpus else 'CPU'


def _seconds(function):
  begin = time.perf_counter()
  function()
  return time.perf_counter() - begin
