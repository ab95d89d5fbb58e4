"""Each kind of space alone, in each algorithm: a policy acts from what is seen as it is exported.

All kinds together, nested, are trained, resumed, evaluated and exported in
`algorithm_contract_test`.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf import errors
from mbrl_tf.algorithms import catalog
from mbrl_tf.data import episodes
from mbrl_tf.environments import catalog as environments
from mbrl_tf.models import observations
from tests.contracts import algorithm_contract_test as contract
from tests.environments import observation_kinds as kinds

# Beside what makes the contracts' configs small.
SMALL = {'mbmpo': {}, 'dreamer': {}, 'pets': {},
         'tdmpc2': {'model.image_channels': 2, 'planner.samples': 0}}
IMAGES = (kinds.FloatImage, kinds.ChannelsFirst, kinds.LargeBoard)
KINDS = [kind for kind in kinds.ALL if kind not in (kinds.Base, kinds.Everything)]


@functools.cache
def played(kind):
  """Returns the spec, and what two simulators show after one step."""
  name = f'{kinds.__name__}:{kind.__name__}'
  with environments.make(name, 2, parallel='in_process') as environment:
    environment.reset()
    step = environment.step(np.ones([2, 1], np.float32))
    return environment.spec, tf.nest.map_structure(tf.constant, step.observation)


@pytest.fixture(autouse=True)
def eagerly():
  """To trace what is called once takes longer than to call it."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize('name', catalog.names())
def test_a_policy_acts_from_each_kind_as_it_is_exported(name, kind, tmp_path):
  spec, seen = played(kind)
  config, store = contract.configured(name, SMALL[name]), episodes.EpisodeStore(tmp_path)
  if name in ('mbmpo', 'pets') and kind in IMAGES:
    with pytest.raises(errors.UserError, match='(MB-MPO|PETS) learns from vectors.*Received: '):
      catalog.build(config, spec, None, store, 1)
    return
  algorithm = catalog.build(config, spec, None, store, 1)
  tf.nest.assert_same_structure(observations.signature(spec.observation), seen)
  for described, value in zip(tf.nest.flatten(observations.signature(spec.observation)),
                              tf.nest.flatten(seen)):
    assert described.is_compatible_with(value)
  policy = algorithm.evaluation_policy()
  action = policy.action(ts.restart(seen, 2), policy.get_initial_state(2)).action
  assert action.shape == (2, 1) and np.isfinite(action).all() and (np.abs(action) <= 1).all()


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.__name__)
def test_vectors_are_made_of_each_kind_and_parted_again(kind):
  spec, seen = played(kind)
  tested = observations.Observations(spec.observation)
  if tested.images:
    return
  vector = tested.joined(seen)
  assert vector.shape == (2, tested.vector_size) == (2, len(tested.rounding))
  shown = observations.by_key(tested.shown(vector))
  for key, part in tested.specs.items():
    native = np.asarray(observations.by_key(seen)[key])
    if part.choices:
      # one of each entry's places is 1, and it is that of the choice
      first = np.cumsum([0, *part.choices[:-1]])
      places = native.reshape(2, -1) - np.ravel(part.minimum) + first
      assert shown[key].shape == (2, sum(part.choices))
      np.testing.assert_array_equal(np.take_along_axis(np.asarray(shown[key]), places, 1), 1)
      np.testing.assert_array_equal(np.sum(shown[key], -1), len(part.choices))
    else:
      np.testing.assert_array_equal(shown[key], native)
