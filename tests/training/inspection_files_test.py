"""An inspection replaces an earlier one, and nothing else."""

import pathlib

from matplotlib import figure
import numpy as np
import pytest

from mbrl_tf import errors, types
from mbrl_tf.training import inspection_files


def write(out, *pictures):
  made = {}
  for name in pictures:
    made[name] = figure.Figure(figsize=(1, 1), dpi=20)
  videos = {'model/open_loop_image': types.Video(lambda: np.zeros((2, 4, 4, 3), np.uint8))}
  return inspection_files.write(out, 7, made, videos, {'env_steps': 7})


def test_what_an_earlier_inspection_left_goes(tmp_path):
  out = tmp_path / 'run' / 'inspect'
  inspection_files.require_replaceable(out)
  assert not out.exists()  # before there is anything to write
  first = write(out, 'error', 'training')
  (out / 'return.png.partial').write_bytes(b'half a picture')
  inspection_files.require_replaceable(out)
  second = write(out, 'error')
  assert set(first) - set(second) >= {'training.png'}
  kept = [name for name in second if 'tfevents' not in name]
  assert kept == ['error.png', 'inspection.json', 'model_open_loop_image.gif'] and len(second) == 4
  assert sorted(second) == sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize('stranger', ['photo.png', 'thesis.txt', 'inspection.json/below'])
def test_what_somebody_else_put_there_stays(tmp_path, stranger):
  out = tmp_path / 'inspect'
  write(out, 'error')
  if '/' in stranger:
    (out / 'inspection.json').unlink()
    (out / 'inspection.json').mkdir()
  (out / stranger).write_text('mine')
  with pytest.raises(errors.UserError, match='not replaced.* Received: out='):
    inspection_files.require_replaceable(out)
  assert (out / stranger).read_text() == 'mine'


def test_only_a_folder_of_its_own_will_do(tmp_path):
  (tmp_path / 'file').write_text('mine')
  (tmp_path / 'link').symlink_to(tmp_path / 'elsewhere')
  for place in ('file', 'link', 'file/below'):
    with pytest.raises(errors.UserError, match='Received: (out|path)='):
      inspection_files.require_replaceable(pathlib.Path(tmp_path / place))
