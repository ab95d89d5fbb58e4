"""How faults and sizes are told, and which status follows from which rows."""

import pytest

from mbrl_tf import errors, types
from mbrl_tf.environments import report

_TRACEBACK = '''Simulator 0 of a:B raised in step().
Traceback (most recent call last):
  File "/x/mbrl_tf/environments/wrappers.py", line 30, in step
    answer = self.env.step(action)
  File "/home/me/cart.py", line 23, in step
    raise RuntimeError('the gearbox broke')
  File "/x/site-packages/gymnasium/spaces/box.py", line 9, in contains
    pass
RuntimeError: the gearbox broke
Received: RuntimeError='the gearbox broke\''''


def test_of_a_traceback_the_last_line_that_is_the_users_is_told():
  found, received = report.in_short(errors.SimulatorError(_TRACEBACK))
  assert found == 'Simulator 0 of a:B raised in step(), in line 23 of cart.py (step)'
  assert received == "RuntimeError='the gearbox broke'"


def test_of_several_lines_the_first_is_told():
  text = 'It needs a function, as here:\n  def reward():\n    ...\nReceived: name=3'
  assert report.in_short(text) == ('It needs a function, as here', 'name=3')
  assert report.in_short('broken') == ('', 'broken')


@pytest.mark.parametrize('levels, status', [
    ([], 0), (['ok', 'ok'], 0), (['ok', 'warning'], 1), (['error', 'warning', 'ok'], 2)])
def test_the_status_is_that_of_the_worst_row(levels, status):
  told = report.Report(tuple(report.Row('a', level, 'b') for level in levels), {})
  assert told.status == status


def test_sizes():
  assert [report.size(count) for count in (12, 2048, 5 * 2**20, 3 * 2**30, 2**42)] == [
      '12 B', '2 KiB', '5 MiB', '3 GiB', '4 TiB']
  observed = {'image': types.ArraySpec((64, 64, 3), 'uint8'),
              'speed': types.ArraySpec((2,), 'float32')}
  assert report.bytes_of(observed) == 64 * 64 * 3 + 8
  assert report.parts(observed) == (
      "'image': an image of 64 x 64 x 3 in uint8, 'speed': 2 numbers in float32")
  wheels = types.ArraySpec((2, 1), 'int32', choices=(3, 5), taken_from='two wheels')
  assert report.parts({'': wheels}) == '2 choices, each one of 3 to 5, read one-hot, from two wheels'
