"""What of a simulator's keyword arguments differs from one to another."""

import pytest

from mbrl_tf import errors
from mbrl_tf.environments import placeholders


@pytest.mark.parametrize('given, filled', [
    ('{index}', 3), ('{5000+index}', 5003), ('{index + 1}', 4), ('map-{index}.txt', 'map-3.txt'),
    ('{10+index}:{index}', '13:3'), ('{name} {}', '{name} {}'), ('index', 'index'), (7, 7),
    (None, None), (True, True), ({'index': ['{index}', 2.5]}, {'index': [3, 2.5]}),
    (('a{index}',), ('a3',)), ('{indexed}', '{indexed}')])
def test_the_number_of_a_simulator_is_filled_in(given, filled):
  found = placeholders.filled(given, 3)
  assert found == filled and type(found) is type(filled)


@pytest.mark.parametrize('given', ['{2*index}', 'port {index:04d}', '{index-1}', '{ index }', ['{index}{index*2}']])
def test_what_cannot_be_filled_in_is_told(given):
  with pytest.raises(errors.UserError, match=r'(?s)\{5000\+index\}.*Received: environment.kwargs with \'\{'):
    placeholders.filled(given, 0)
