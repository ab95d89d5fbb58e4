"""Several devices of one machine give the numbers of one, and refuse what they cannot share."""

import functools
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.ops import replicas
from tests.scale import hosts

_ROOT = pathlib.Path(__file__).parent.parent.parent


class Replicas:
  """A strategy that only knows its size."""

  def __init__(self, count):
    self.num_replicas_in_sync = count


@functools.cache
def printed(algorithms):
  """What `agreement` printed of some algorithms: one process, which imports all once."""
  result = subprocess.run([sys.executable, '-m', 'tests.scale.agreement', algorithms], cwd=_ROOT,
                          capture_output=True, text=True)
  assert result.returncode == 0, result.stderr[-3000:]
  return [json.loads(line) for line in result.stdout.splitlines()]


def updates(algorithm):
  """What an algorithm did, by number of devices."""
  together = 'tdmpc2,pets'
  algorithms = together if algorithm in together.split(',') else algorithm
  return {told['count']: told for told in printed(algorithms) if told['algorithm'] == algorithm}


def assert_close(found, expected, rtol, atol):
  """Compares what all updates told, and all variables after them."""
  assert len(found['told']) == len(expected['told']) >= 10
  for number, (told, reference) in enumerate(zip(found['told'], expected['told'])):
    assert told.keys() == reference.keys()
    for name in told:
      np.testing.assert_allclose(told[name], reference[name], rtol, atol, err_msg=f'{name} of update {number}')
  for variable, reference in zip(found['variables'], expected['variables'], strict=True):
    np.testing.assert_allclose(variable, reference, rtol, atol)


@pytest.mark.parametrize('algorithm, rtol, atol', [
    pytest.param('mbmpo', 1e-4, 2e-6, marks=pytest.mark.long),
    pytest.param('dreamer', 1e-4, 2e-6, marks=pytest.mark.long),
    pytest.param('dreamer_float16', 2e-2, 1e-3, marks=pytest.mark.long),
    ('tdmpc2', 1e-4, 2e-6), ('pets', 1e-4, 2e-6)])
def test_several_devices_give_the_updates_of_one(algorithm, rtol, atol):
  found = updates(algorithm)
  assert len(found) > 1
  for count in found:
    assert_close(found[count], found[0], rtol, atol)
  first, last = found[0]['told'][1], found[0]['told'][-1]
  loss = {'mbmpo': 'loss', 'pets': 'value'}.get(algorithm, 'model/loss')
  assert first[loss] != last[loss]  # it has learned


@pytest.mark.parametrize('algorithm', [
    'pets', *(pytest.param(name, marks=pytest.mark.long) for name in ('mbmpo', 'dreamer'))])
def test_two_hosts_give_the_updates_of_one(algorithm):
  port, module = hosts.free_port(), ['tests.scale.agreement', algorithm]
  processes = [hosts.start(index, 2, port, module) for index in range(2)]
  said = hosts.finished(processes)
  assert all(process.returncode == 0 for process in processes), said[0][1][-3000:]
  first, second = (json.loads(output.splitlines()[0]) for output, _ in said)
  alone = updates(algorithm)[0]
  assert first['count'] == second['count'] == 'hosts'
  assert_close(first, alone, 1e-4, 2e-6)
  assert_close(second, alone, 1e-4, 2e-6)


@pytest.mark.parametrize('rows, count, told', [(5, 2, 'members=4 or 6 would do'), (2, 4, 'members=4 would do'), (6, 4, ': 1, 2, 3, 6')])
def test_rows_that_cannot_be_shared_are_refused_with_the_numbers_that_would_do(rows, count, told):
  with pytest.raises(errors.UserError) as error:
    replicas.require_even(Replicas(count), 'members', rows)
  assert told in str(error.value) and f'Received: members={rows} with {count} replicas' in str(error.value)


def test_rows_that_can_be_shared_are_fine():
  for count in (1, 2, 3, 6):
    replicas.require_even(Replicas(count), 'members', 6)


def test_without_a_strategy_everything_stays_where_it_is():
  strategy, values = tf.distribute.get_strategy(), {'a': tf.constant([1.0, 2.0])}
  assert replicas.share(strategy, values) is values and replicas.mean(values) is values and replicas.gather(values) is values
  np.testing.assert_array_equal(replicas.rows(tf.Variable([3.0, 4.0])), [3.0, 4.0])
  np.testing.assert_array_equal(replicas.normal([2, 3], [1, 2]), tf.random.stateless_normal([2, 3], [1, 2]))
  assert replicas.joined(strategy, replicas.on_devices(strategy, 3, lambda members: members.tolist())) == [0, 1, 2]


def test_gumbel_noise_chooses_as_the_probabilities_say():
  logits = np.log([0.6, 0.3, 0.1])
  chosen = tf.argmax(logits + replicas.gumbel([20_000, 3], [1, 2]).numpy(), -1)
  np.testing.assert_allclose(np.bincount(chosen, minlength=3) / 20_000, [0.6, 0.3, 0.1], atol=0.015)
