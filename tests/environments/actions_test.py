"""From a policy's actions to a simulator's, for every kind of action space."""

import gymnasium
from gymnasium import spaces
import numpy as np
import pytest

from mbrl_tf import errors, types
from mbrl_tf.environments import actions, catalog
from tests.environments import acting_environments

ACTING = 'tests.environments.acting_environments:Acting'
SPECS = {
    'mixed': types.ActionSpec(1, (3, 2, 2)), 'wheels': types.ActionSpec(choices=(5, 5)),
    'table': types.ActionSpec(choices=(2, 3, 3, 4, 1, 2)),
    'switches': types.ActionSpec(choices=(2, 2, 2, 2)),
    'one wheel': types.ActionSpec(choices=(4,)),
    'one switch in a Dict': types.ActionSpec(choices=(2,)), 'matrix': types.ActionSpec(4),
    'number': types.ActionSpec(1), 'bytes': types.ActionSpec(4),
    'nested': types.ActionSpec(3, (2, 2, 2, 2, 2, 3))}


class Recorder(gymnasium.Env):
  """Remembers the actions."""

  def __init__(self, space):
    self.action_space, self.actions = space, []

  def step(self, action):
    self.actions.append(action)


def converted(space, chosen):
  """What the simulator gets for each of some actions of a policy."""
  recorder = Recorder(space)
  env = actions.ConvertActions(recorder, 'toy')
  for action in chosen:
    env.step(action)
  return recorder.actions


@pytest.mark.parametrize('kind', acting_environments.KINDS)
def test_random_actions_are_members_of_the_space_in_its_very_types(kind):
  space, spec = acting_environments.KINDS[kind], SPECS[kind]
  assert actions.ConvertActions(Recorder(space), 'toy').action_spec == spec
  chosen = spec.sample(np.random.default_rng(0), (300,))
  assert chosen.shape[1:] == spec.shape and chosen.dtype == spec.dtype
  for action in converted(space, chosen):
    acting_environments.require_member(space, action)


@pytest.mark.parametrize('kind', acting_environments.KINDS)
def test_an_exported_policy_acts_in_the_very_arrays_that_the_simulator_gets(kind):
  spec = catalog.make(ACTING, 1, 0, {'kind': kind}).spec
  chosen = spec.action.sample(np.random.default_rng(1), (3, 20))
  found = spec.simulator_action(chosen)
  expected = converted(acting_environments.KINDS[kind], chosen.reshape(60, *spec.action.shape))
  for at, one in enumerate(expected):
    _require_same(found, one, divmod(at, 20))


def _require_same(found, expected, at):
  if isinstance(expected, dict):
    assert found.keys() == expected.keys()
    for key, part in expected.items():
      _require_same(found[key], part, at)
  elif isinstance(expected, tuple):
    assert isinstance(found, tuple) and len(found) == len(expected)
    for pair in zip(found, expected):
      _require_same(*pair, at)
  else:
    np.testing.assert_array_equal(found[at], expected)
    assert found.dtype == np.asarray(expected).dtype


@pytest.mark.parametrize('kind', acting_environments.KINDS)
def test_no_two_choices_and_no_two_ends_of_numbers_become_one(kind):
  """So the way to the simulator loses nothing."""
  space, spec = acting_environments.KINDS[kind], SPECS[kind]
  middle = np.zeros(spec.shape, spec.dtype)
  chosen = [middle]
  for at in range(spec.numbers):
    chosen += [np.where(np.arange(middle.size) == at, end, middle).astype('f') for end in (-1, 1)]
  for at, count in enumerate(spec.choices):
    for value in range(1, count):
      chosen.append(middle.copy())
      chosen[-1].reshape(-1)[spec.numbers + at] = value
  found = [repr(action) for action in converted(space, chosen)]
  assert len(set(found)) == len(found)


def test_each_part_of_a_nested_action_comes_to_its_place():
  chosen = np.array([-1, 1, 0.5, 1, 1, 0, 1, 0, 2], 'f')
  (inner, level, wheels), = converted(acting_environments.KINDS['nested'], [chosen])
  assert list(inner) == ['valve', 'turn', 7] and type(inner[7]) is tuple
  np.testing.assert_array_equal(inner['valve'], [[-3], [3]])
  assert inner['turn'] == -3
  np.testing.assert_array_equal(inner[7][0], [1, 0, 1])
  assert level.shape == () and level == 0.25
  np.testing.assert_array_equal(wheels, [0, 2])


def test_choices_in_rows_begin_at_their_own_first_values():
  action, = converted(acting_environments.KINDS['table'], [np.array([1, 2, 0, 3, 0, 1])])
  np.testing.assert_array_equal(action, [[2, 0, 0], [3, 3, 8]])


def test_the_simulator_may_change_what_it_gets():
  space, recorder = acting_environments.KINDS['mixed'], []
  env = actions.ConvertActions(Recorder(space), 'toy')
  env.env.step = recorder.append
  chosen = np.array([0.5, 1, 1, 0], 'f')
  for _ in range(2):
    env.step(chosen)
    recorder[-1]['push'] *= 2
    recorder[-1]['switches'][:] = 0
  assert recorder[0]['push'] is not recorder[1]['push'] and recorder[1]['push'][0] == 1
  np.testing.assert_array_equal(chosen, [0.5, 1, 1, 0])


@pytest.mark.parametrize('space, told', [
    (spaces.Text(3), r'TransformAction.*Received: action_space=Text'),
    (spaces.Sequence(spaces.Discrete(2)), r'TransformAction.*Received: action_space=Sequence'),
    (spaces.Graph(spaces.Box(0, 1, [1]), None), r'TransformAction.*Received: action_space=Graph'),
    (spaces.OneOf([spaces.Discrete(2), spaces.Discrete(3)]), 'Received: action_space=OneOf'),
    (spaces.Dict({'a': spaces.Tuple([spaces.Discrete(2), spaces.Text(3)])}),
     r"Received: action_space\['a'\]\[1\]=Text"),
    (spaces.Tuple([spaces.Box(-np.inf, 1, [2])]), r'finite bounds.*action_space\[0\]=Box'),
    (spaces.Dict({}), 'nothing to decide.*Received: action_space=Dict'),
    (spaces.Dict({'a': spaces.Discrete(2), 'b': spaces.Box(-1, 1, [0])}),
     r"nothing to decide.*Received: action_space\['b'\]=Box"),
    (spaces.Discrete(2**30), 'more values than.*Received: action_space=Discrete'),
    (None, 'Received: action_space=None')])
def test_other_kinds_are_refused_in_one_sentence(space, told):
  with pytest.raises(errors.UserError, match=told):
    actions.ConvertActions(Recorder(space), 'toy')


def test_masks_are_refused_until_a_wrapper_takes_care_of_them():
  masked = Recorder(spaces.Discrete(3))
  masked.action_masks = lambda: np.array([True, False, True])
  with pytest.raises(errors.UserError, match='forbids some choices.*action_masks = None.*Received: '
                     'action_masks='):
    actions.ConvertActions(masked, 'toy')
  mended = gymnasium.Wrapper(masked)
  mended.action_masks = None
  actions.ConvertActions(mended, 'toy')


@pytest.mark.parametrize('kind', acting_environments.KINDS)
def test_reward_functions_get_batches_in_the_simulators_structure(kind):
  """Its rewards are those of the simulator, which adds up all parts of its action."""
  with catalog.make(ACTING, 3, kwargs={'kind': kind}) as environment:
    before = environment.reset().observation
    for seed in range(3):
      chosen = SPECS[kind].sample(np.random.default_rng(seed), (3,))
      step = environment.step(chosen)
      foreseen = environment.spec.reward(before, chosen, step.observation)
      np.testing.assert_allclose(foreseen, step.reward, rtol=1e-5, atol=1e-6)
      np.testing.assert_allclose(
          environment.spec.reward(before[:, None], chosen[:, None], step.observation[:, None]),
          step.reward[:, None], rtol=1e-5, atol=1e-6)
      before = step.observation
    assert environment.restarts == 0


def test_what_is_no_choice_is_refused_and_numbers_are_clipped():
  with catalog.make(ACTING, 1, kwargs={'kind': 'mixed'}) as environment:
    environment.reset()
    environment.step(np.array([[7.0, 2, 1, 0]], 'f'))
    for wrong in ([0, 3, 1, 0], [0, -1, 1, 0], [0, 0.5, 1, 0]):
      with pytest.raises(errors.UserError, match='integers from 0 to 2, 1, 1. Received: action='):
        environment.step(np.array([wrong], 'f'))
