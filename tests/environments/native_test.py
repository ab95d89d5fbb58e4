"""Episodes in a simulator's own arrays become what is collected of the same simulator, and back."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from mbrl_tf import errors, types
from mbrl_tf.environments import action_rows, actions, native, simulators
from tests.environments import acting_environments, observation_kinds

_STEPS = 6
_KINDS = 'tests.environments.observation_kinds:'
_ACTING = 'tests.environments.acting_environments:Acting'


class Recorder(gymnasium.Wrapper):
  """Keeps what a simulator itself shows and is given."""

  def __init__(self, env):
    super().__init__(env)
    self.shown, self.given = [], []

  def reset(self, *, seed=None, options=None):
    answer = self.env.reset(seed=seed, options=options)
    self.shown.append(copy.deepcopy(answer[0]))
    return answer

  def step(self, action):
    self.given.append(copy.deepcopy(action))
    answer = self.env.step(action)
    self.shown.append(copy.deepcopy(answer[0]))
    return answer


def stacked(values):
  """Rows of arrays in a nest, by path; texts left out."""
  if isinstance(values[0], (dict, tuple)):
    keys = values[0] if isinstance(values[0], dict) else range(len(values[0]))
    return {(str(key), *path): array for key in keys
            for path, array in stacked([value[key] for value in values]).items()}
  return {} if isinstance(values[0], str) else {(): np.stack(values)}


def played(name, kwargs=None, action_repeat=1):
  """What a simulator showed and took, the same as the toolkit has it, and what converts."""
  recipe = simulators.Recipe(name, kwargs or {}, 10 * action_repeat, action_repeat)
  recorder = Recorder(recipe.bare())
  env = recipe.wrap(recorder)
  generator, spec = np.random.default_rng(3), env.get_wrapper_attr('action_spec')
  observations, acts, rewards = [env.reset()[0]], [], []
  for _ in range(_STEPS):
    acts.append(spec.sample(generator))
    observation, reward, _, _, _ = env.step(acts[-1])
    observations.append(observation)
    rewards.append(reward)
  joined = ({key: np.stack([each[key] for each in observations]) for key in observations[0]}
            if isinstance(observations[0], dict) else np.stack(observations))
  episode = types.Episode(joined, np.stack(acts), np.array(rewards, np.float32), np.zeros(_STEPS, bool))
  return recorder, episode, native.Native(env, name, action_repeat)


def own(recorder, episode, converts):
  """The `types.NativeEpisode` of what was recorded, by the keys that the spaces give."""
  keys = converts.write(episode)
  by_path = lambda rows, group: dict(zip(sorted(group), [
      rows[path] for path in sorted(rows, key=lambda path: sorted(group).index(
          _key_of(path, rows, group)))], strict=True))
  return types.NativeEpisode(by_path(stacked(recorder.shown), keys.observation),
                             by_path(stacked(recorder.given), keys.action),
                             episode.reward, episode.terminated)


def _key_of(path, rows, group):
  """The key of a path: joined, and numbered by the order of paths where that is too like another."""
  joined = '/'.join(path)
  if joined in group:
    same = [other for other in rows if '/'.join(other) == joined]
    if len(same) == 1:
      return joined
  if not path:
    return next(iter(group))
  raise AssertionError(f'{path} is told in the test itself')


SIMPLE = [kind.__name__ for kind in observation_kinds.ALL if kind not in (
    observation_kinds.CollidingKeys, observation_kinds.Everything)]


@pytest.mark.parametrize('name', SIMPLE)
def test_own_observations_are_read_as_they_are_when_collected(name):
  recorder, collected, converts = played(_KINDS + name)
  read = converts.read(own(recorder, collected, converts))
  assert_equal(read.observation, collected.observation)
  np.testing.assert_array_equal(read.reward, collected.reward)
  assert read.action.dtype == collected.action.dtype and read.member == -1


@pytest.mark.parametrize('kind', acting_environments.KINDS)
def test_own_actions_are_read_as_they_were_chosen(kind):
  recorder, collected, converts = played(_ACTING, {'kind': kind})
  read = converts.read(own(recorder, collected, converts))
  spec = recorder.env.action_space
  assert read.action.dtype == collected.action.dtype and read.action.shape == collected.action.shape
  # Of whole numbers each stands for a part of [-1, 1]: what they become counts.
  again, given = converts.write(read), converts.write(collected)
  assert_equal(again.action, given.action)
  if not any(space.dtype.kind in 'iu' and isinstance(space, spaces.Box)
             for space, _ in acting_environments.leaves(spec, recorder.given[0])):
    np.testing.assert_allclose(read.action, collected.action, atol=1e-6)


@pytest.mark.parametrize('name, kwargs', [
    *((_KINDS + kind.__name__, {}) for kind in observation_kinds.ALL),
    *((_ACTING, {'kind': kind}) for kind in acting_environments.KINDS)])
def test_written_in_own_arrays_is_what_the_simulator_showed_and_took(name, kwargs):
  recorder, collected, converts = played(name, kwargs)
  written = converts.write(collected)
  observations, taken = converts.nested(written)
  shown, given = stacked(recorder.shown), stacked(recorder.given)
  for found, expected, space in ((unstacked(observations), shown, converts.observation_space),
                                 (unstacked(taken), given, converts.action_space)):
    assert found.keys() == expected.keys()
    for path, array in found.items():
      np.testing.assert_allclose(array, expected[path], atol=1e-6)
    assert space.contains(row(observations if space is converts.observation_space else taken, 2, space))
  flat = converts.flat(observations, taken)
  assert_equal(flat, (written.observation, written.action))
  again = converts.read(written)
  assert_equal(again.observation, collected.observation)
  assert written.truncated[-1] and not written.terminated.any()


def unstacked(nest):
  """Arrays in a nest by path."""
  if isinstance(nest, (dict, tuple)):
    keys = nest if isinstance(nest, dict) else range(len(nest))
    return {(str(key), *path): array for key in keys for path, array in unstacked(nest[key]).items()}
  return {(): nest}


def row(nest, index, space):
  """One row of a nest of arrays, as a member of a space."""
  if isinstance(space, spaces.Dict):
    return {key: row(nest[key], index, part) for key, part in space.spaces.items()}
  if isinstance(space, spaces.Tuple):
    return tuple(row(nest[key], index, part) for key, part in enumerate(space.spaces))
  return nest[index]


def assert_equal(one, other):
  if isinstance(one, (dict, tuple)):
    keys = one if isinstance(one, dict) else range(len(one))
    assert len(one) == len(other)
    for key in keys:
      assert_equal(one[key], other[key])
    return
  assert one.dtype == other.dtype
  np.testing.assert_array_equal(one, other)


def test_actions_are_in_the_tasks_own_units():
  _, collected, converts = played('gym:Pendulum-v1')
  written = converts.write(collected)
  # The pendulum's torque is within 2 Nm.
  np.testing.assert_allclose(written.action['action'], 2 * collected.action, rtol=1e-6)


def test_each_fault_is_one_sentence_that_ends_in_what_was_received():
  _, collected, converts = played('toy:point_mass', action_repeat=2)
  good = converts.write(collected)
  rows = lambda array, value, at: np.concatenate([array[:at], [np.full_like(array[0], value)], array[at + 1:]])
  alone = lambda name, array: {name: array}
  seen, acted = good.observation['observation'], good.action['action']
  ends = np.arange(_STEPS) == 2
  for faulty, said in (
      (good._replace(reward=good.reward[:0]), 'a decision at least'),
      (good._replace(reward=rows(good.reward, np.nan, 1)), 'finite.*nan in row 1'),
      (good._replace(reward=good.reward.astype(np.float64) * 1e300), 'finite'),
      (good._replace(reward=good.reward[:, None]), 'one number for each decision'),
      (good._replace(observation=alone('observation', seen[:-1])), 'one observation more'),
      (good._replace(observation=alone('observation', seen[:, :3])), r'shape \(4,\)'),
      (good._replace(observation=alone('observation', rows(seen, np.inf, 3))), 'finite.* in row 3'),
      (good._replace(observation=alone('place', seen)), 'place'),
      (good._replace(observation=alone('observation', seen.astype(complex))), 'complex'),
      (good._replace(action=alone('action', 1.5 * np.ones_like(acted))), '1.5 in row 0 is not within -1 to 1'),
      (good._replace(action=alone('action', rows(acted, np.nan, 4))), 'nan in row 4'),
      (good._replace(action=alone('action', acted[:, :1])), 'the shape'),
      (good._replace(action=alone('push', acted)), 'push'),
      (good._replace(terminated=ends), 'holds one episode.*terminated in row 2 of 6'),
      (good._replace(truncated=ends), 'holds one episode.*truncated in row 2 of 6'),
      (good._replace(terminated=2 * np.ones(_STEPS)), 'True or False'),
      (good._replace(terminated=good.terminated[1:]), 'True or False'),
      (good._replace(action_repeat=1), 'action_repeat'),
      (_longer(good), 'time_limit')):
    with pytest.raises(errors.UserError, match=f'(?s){said}') as caught:
      converts.read(faulty)
    assert 'Received: ' in str(caught.value)
  assert_equal(converts.read(good).observation, collected.observation)


def _longer(good):
  """Twelve decisions, where the time limit allows ten."""
  double = lambda array: np.concatenate([array, array])
  return good._replace(
      observation={'observation': np.concatenate([good.observation['observation'][:-1], good.observation['observation']])},
      action={'action': double(good.action['action'])}, reward=double(good.reward),
      terminated=double(good.terminated), truncated=None)


def test_a_choice_that_there_is_not_is_refused():
  _, collected, converts = played(_ACTING, {'kind': 'mixed'})
  good = converts.write(collected)
  gear = np.full_like(good.action['gear'], 4)
  with pytest.raises(errors.UserError, match='gear: 4 in row 0 is none of the choices 1 to 3'):
    converts.read(good._replace(action={**good.action, 'gear': gear}))


def test_paths_that_are_one_name_get_numbers():
  leaf = actions.Choices((), None, np.dtype(np.int64), 0)
  assert list(action_rows.by_key({'a/b': leaf, 'a': {'b': leaf}})) == ['a/b', 'a/b-2']
  assert list(action_rows.by_key(leaf)) == ['action']
