"""Data sets of Minari hold each kind of space; skipped where the package is not installed."""

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.environments import minari_sets
from tests.environments import acting_environments, native_test, observation_kinds

minari = pytest.importorskip('minari', reason="needs pip install 'minari[hdf5]'")
# Its files are told by keys that are texts, and a name without `/`.
_KINDS = [*((native_test._KINDS + kind.__name__, {}) for kind in observation_kinds.ALL
            if kind not in (observation_kinds.CollidingKeys, observation_kinds.Everything)),
          *((native_test._ACTING, {'kind': kind}) for kind in acting_environments.KINDS
            if kind != 'nested')]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path))


@pytest.mark.parametrize('name, kwargs', _KINDS)
def test_what_is_written_is_read_again(name, kwargs):
  _, collected, converts = native_test.played(name, kwargs)
  written = converts.write(collected)
  minari_sets.write('minari:mine/set-v0', converts, name, kwargs, iter([written] * 3))
  found = minari_sets.episodes('minari:mine/set-v0', converts)
  assert [told for told, _ in found] == [f'minari:mine/set-v0, episode {index}' for index in range(3)]
  for _, read in found:
    again = read()
    native_test.assert_equal((dict(again.observation), dict(again.action)),
                             (written.observation, written.action))
    native_test.assert_equal(converts.read(again).observation, collected.observation)


def test_a_set_tells_how_its_environment_is_made_and_what_a_row_is():
  for repeat, told in ((1, True), (2, False)):
    _, collected, converts = native_test.played('gym:Pendulum-v1', {'g': 5.0}, repeat)
    name = f'mine/pendulum-v{repeat}'
    minari_sets.write(f'minari:{name}', converts, 'gym:Pendulum-v1', {'g': 5.0},
                      iter([converts.write(collected)]))
    data = minari.load_dataset(name)
    assert (data.env_spec is not None) == told
    if told:
      assert data.recover_environment().unwrapped.g == 5.0
    (_, read), = minari_sets.episodes(f'minari:{name}', converts)
    assert read().action_repeat == repeat


@pytest.mark.parametrize('name, kwargs', [
    (native_test._KINDS + 'CollidingKeys', {}), (native_test._ACTING, {'kind': 'nested'})])
def test_keys_that_minari_does_not_keep_are_told_and_nothing_is_left(name, kwargs, tmp_path):
  _, collected, converts = native_test.played(name, kwargs)
  with pytest.raises(errors.UserError, match="Received: to='minari:mine/keys-v0', observation_space="):
    minari_sets.write('minari:mine/keys-v0', converts, name, kwargs, iter([converts.write(collected)]))
  assert not list(tmp_path.rglob('*.hdf5'))


def test_what_minari_does_not_take_is_told():
  _, collected, converts = native_test.played('gym:Pendulum-v1')
  with pytest.raises(errors.UserError, match="Received: to='minari:no version!'"):
    minari_sets.write('minari:no version!', converts, 'gym:Pendulum-v1', {},
                      iter([converts.write(collected)]))


def test_a_set_that_could_not_be_finished_is_removed():
  _, collected, converts = native_test.played('gym:Pendulum-v1')

  def found():
    yield converts.write(collected)
    raise OSError('no space')

  with pytest.raises(errors.StorageError, match='nothing of it is left'):
    minari_sets.write('minari:mine/half-v0', converts, 'gym:Pendulum-v1', {}, found())
  assert 'mine/half-v0' not in minari.list_local_datasets()


def test_another_structure_is_refused():
  _, collected, converts = native_test.played(native_test._KINDS + 'Grid')
  minari_sets.write('minari:mine/grid-v0', converts, '', {}, iter([converts.write(collected)]))
  _, _, others = native_test.played(native_test._KINDS + 'Nested')
  (_, read), = minari_sets.episodes('minari:mine/grid-v0', others)
  with pytest.raises(errors.UserError, match='Received: '):
    others.read(read())
  assert np.isfinite(collected.reward).all()
