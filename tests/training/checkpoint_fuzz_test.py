"""Damaged files of checkpoints: the newest whole one is restored, with a warning of each that is not, and never other numbers."""

import shutil
import warnings

from hypothesis import given, settings, strategies
import pytest

from mbrl_tf import errors
from tests.training import checkpoint_test

ENDINGS = ('.index', '.data-00000-of-00001', '.sha256')


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  """Checkpoints of 10, 20 and 30 env steps with the weights 1, 2 and 3, and the content of all files."""
  folder = tmp_path_factory.mktemp('written')
  checkpoint_test.saved(folder, [1., 2., 3.])
  contents = {path.name: path.read_bytes() for path in folder.iterdir()}
  assert len(contents) == 9
  return folder, contents


def restored(written, **changed):
  """Changes files (None removes one), restores, and puts all back: returns the weight and how many warnings there were."""
  folder, contents = written
  shutil.rmtree(folder)
  folder.mkdir()
  for name, content in {**contents, **changed}.items():
    if content is not None:
      (folder / name).write_bytes(content)
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    found, weight, progress = checkpoint_test.restored(folder)
  said = [str(warning.message) for warning in caught if 'checkpoint' in str(warning.message)]
  assert found and weight == int(progress.env_steps) / 10
  return weight, len(said)


def test_whole_files_are_restored_in_silence(written):
  assert restored(written) == (3, 0)


@pytest.mark.parametrize('ending', ENDINGS)
def test_cut_anywhere(written, ending):
  content = written[1][f'checkpoint-30{ending}']
  for size in range(0, len(content), max(len(content) // 25, 1)):
    assert restored(written, **{f'checkpoint-30{ending}': content[:size]}) == (2, 1), size


@settings(max_examples=120, derandomize=True, deadline=None)
@given(number=strategies.sampled_from([20, 30]), ending=strategies.sampled_from(ENDINGS),
       place=strategies.floats(0, 1, exclude_max=True), bit=strategies.integers(0, 7))
def test_a_flipped_bit(written, number, ending, place, bit):
  name = f'checkpoint-{number}{ending}'
  content = bytearray(written[1][name])
  content[int(place * len(content))] ^= 1 << bit
  assert restored(written, **{name: bytes(content)}) == ((2, 1) if number == 30 else (3, 0))


@pytest.mark.parametrize('endings', [ENDINGS, ENDINGS[:1], ENDINGS[1:2], ENDINGS[2:], ENDINGS[:2]])
def test_swapped_between_names(written, endings):
  contents = written[1]
  changed = {f'checkpoint-{number}{ending}': contents[f'checkpoint-{other}{ending}']
             for ending in endings for number, other in ((20, 30), (30, 20))}
  assert restored(written, **changed) == (1, 2)


@pytest.mark.parametrize('ending', ENDINGS)
def test_removed(written, ending):
  # Without checksums it is none: so looks one whose writing was killed, which is nothing to be told of.
  assert restored(written, **{f'checkpoint-30{ending}': None}) == (2, 0 if ending == '.sha256' else 1)


def test_nothing_whole_is_an_error(written):
  changed = {name: content[:-1] for name, content in written[1].items()}
  with pytest.raises(errors.UserError, match='No checkpoint of this run can be read'):
    restored(written, **changed)
