"""Curves of seeds: how they are put on one axis, and what is refused."""

import csv
import json

from absl import flags
from absl.testing import flagsaver
import numpy as np
from PIL import Image
import pytest

from launchers import plot
from mbrl_tf import errors
from mbrl_tf.algorithms.mbmpo import config as mbmpo


def write_run(folder, seed, points, metric='collect/return_mean', **config):
  """A run directory as training leaves it, with one metric."""
  folder.mkdir()
  (folder / 'config.json').write_text(json.dumps({'config': {'algorithm': 'mbmpo', 'run': {'seed': seed}, **config}}))
  (folder / 'metrics.jsonl').write_text(''.join(json.dumps({'env_steps': x, metric: y}) + '\n' for x, y in points))
  return folder


def plotted(*arguments):
  """Runs the launcher in this process."""
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['plot', *arguments])
    plot.main()


def test_seeds_are_interpolated_onto_one_axis_and_averaged():
  curves = plot.aligned({1: (np.array([0., 10., 20.]), np.array([0., 10., 20.])),
                         0: (np.array([0., 20.]), np.array([100., 200.]))})
  assert list(curves.seeds) == [0, 1]
  np.testing.assert_allclose(curves.env_steps, [0, 10, 20])
  np.testing.assert_allclose(curves.seeds[0], [100, 150, 200])
  np.testing.assert_allclose(curves.mean, [50, 80, 110])


def test_the_mean_ends_where_a_seed_ends():
  curves = plot.aligned({0: (np.array([0., 10.]), np.array([1., 1.])), 1: (np.array([0., 10., 20.]), np.array([3., 3., 9.]))})
  np.testing.assert_allclose(curves.mean, [2, 2, np.nan])


def test_csv_and_picture_are_written(tmp_path, capsys):
  write_run(tmp_path / 'hc-0', 0, [(100, 1), (200, 2)])
  write_run(tmp_path / 'hc-1', 1, [(100, 3), (200, 5)])
  (tmp_path / 'published.csv').write_text('env,env_steps,return_mean\nA,100,7\nB,100,8\nB,150,9\n')
  plotted(f'--run_dirs={tmp_path}/hc-*', f'--out={tmp_path}/results/hc.v1', f'--published={tmp_path}/published.csv',
          '--published_env=B')
  rows = list(csv.reader((tmp_path / 'results' / 'hc.v1.csv').open()))
  assert rows == [['env_steps', 'seed_0', 'seed_1', 'mean'], ['100', '1.00', '3.00', '2.00'], ['200', '2.00', '5.00', '3.50']]
  picture = np.asarray(Image.open(tmp_path / 'results' / 'hc.v1.png').convert('RGB'))
  assert picture.shape[0] > 300 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
  told = json.loads(capsys.readouterr().out)
  assert told['seeds'] == [0, 1] and told['mean_at_end'] == 3.5 and told['env_steps'] == 200


def test_a_field_that_is_newer_than_a_run_has_its_default(tmp_path, capsys):
  write_run(tmp_path / 'old', 0, [(100, 1), (200, 2)])
  rate = mbmpo.MetaConfig().inner_lr
  write_run(tmp_path / 'new', 1, [(100, 3), (200, 4)], meta={'inner_lr': rate})
  plotted(f'--run_dirs={tmp_path}/old,{tmp_path}/new', f'--out={tmp_path}/both')
  assert json.loads(capsys.readouterr().out)['mean_at_end'] == 3
  write_run(tmp_path / 'other', 2, [(100, 3)], meta={'inner_lr': 0.5})
  with pytest.raises(errors.UserError, match='meta.inner_lr'):
    plotted(f'--run_dirs={tmp_path}/old,{tmp_path}/other', f'--out={tmp_path}/three')


def test_one_published_point_is_drawn(tmp_path):
  write_run(tmp_path / 'run', 0, [(100, 1), (200, 2)])
  grey = {}
  for name, env_steps in (('here', 210), ('later', 900)):
    (tmp_path / 'published.csv').write_text(f'env_steps,return_mean\n{env_steps},1.5\n')
    plotted(f'--run_dirs={tmp_path}/run', f'--out={tmp_path}/{name}', f'--published={tmp_path}/published.csv')
    pixels = np.asarray(Image.open(tmp_path / f'{name}.png').convert('RGB')).reshape(-1, 3)
    grey[name] = (pixels == (127, 127, 127)).all(-1).sum()
  assert grey['here'] > grey['later'] + 60, grey  # the marker, and its place in the legend; edges of letters are as grey


def test_other_runs_are_drawn_beside(tmp_path):
  write_run(tmp_path / 'wide-0', 0, [(100, 1), (200, 2)])
  write_run(tmp_path / 'deep-0', 0, [(100, 3), (200, 5), (300, 8)])
  write_run(tmp_path / 'deep-1', 1, [(100, 5), (200, 5)])
  plotted(f'--run_dirs={tmp_path}/deep-*', f'--out={tmp_path}/deep')
  np.testing.assert_allclose(plot.read_mean(tmp_path / 'deep.csv'), [[100, 200], [4, 5]])  # of 300 there is no mean of both
  colors = lambda path: {tuple(pixel) for pixel in np.asarray(Image.open(path).convert('RGB')).reshape(-1, 3)}
  plotted(f'--run_dirs={tmp_path}/wide-0', f'--out={tmp_path}/wide')
  alone, orange = colors(tmp_path / 'wide.png'), (255, 127, 14)
  plotted(f'--run_dirs={tmp_path}/wide-0', f'--out={tmp_path}/wide', f'--beside={tmp_path}/deep.csv')
  assert orange in colors(tmp_path / 'wide.png') and orange not in alone


def test_lines_without_the_metric_and_a_torn_last_line_are_left_out(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"env_steps": 1, "a": 5}\n{"env_steps": 2, "b": 1}\n{"env_steps": 3, "a": null}\n{"env_steps": 4, "a": 6}\n{"env_st')
  env_steps, values = plot.read_curve(path, 'a')
  assert list(env_steps) == [1, 4] and list(values) == [5, 6]


def test_published_rows_are_chosen_by_env(tmp_path):
  path = tmp_path / 'published.csv'
  path.write_text('env,env_steps,return_mean\nA,100,7\nB,100,8\nB,150,9\n')
  env_steps, values = plot.read_published(path, 'B')
  assert list(env_steps) == [100, 150] and list(values) == [8, 9]
  with pytest.raises(errors.UserError, match='must choose one task.*A, B.*published_env=None'):
    plot.read_published(path)
  with pytest.raises(errors.UserError, match='must choose one task.*A, B.*published_env=.C'):
    plot.read_published(path, 'C')
  path.write_text('step,value\n1,2\n')
  with pytest.raises(errors.UserError, match='columns env_steps and return_mean'):
    plot.read_published(path)


@pytest.mark.parametrize('seed, config, part', [
    (0, {}, 'seed of its own'), (1, {'meta': {'inner_lr': 0.5}}, 'differs from the first in meta.inner_lr')])
def test_runs_that_no_mean_describes_are_refused(tmp_path, seed, config, part):
  write_run(tmp_path / 'a', 0, [(1, 1)], meta={'inner_lr': 0.1})
  write_run(tmp_path / 'b', seed, [(1, 1)], **{'meta': {'inner_lr': 0.1}, **config})
  with pytest.raises(errors.UserError, match=part):
    plotted(f'--run_dirs={tmp_path}/a,{tmp_path}/b', f'--out={tmp_path}/out')
  assert not (tmp_path / 'out.csv').exists()


@pytest.mark.parametrize('arguments, part', [
    ([], '--run_dirs is needed'), (['--run_dirs=/nowhere/*', '--out=x'], 'no such folder'), (['--run_dirs={run}'], '--out is needed'),
    (['--run_dirs={run}', '--out={run}/x', '--metric=collect/return_meen'], 'Nearest: collect/return_mean')])
def test_a_mistake_is_named(tmp_path, arguments, part):
  run = write_run(tmp_path / 'run', 0, [(1, 1)])
  with pytest.raises(errors.UserError, match=part):
    plotted(*(argument.format(run=run) for argument in arguments))


@pytest.mark.parametrize('name', ['run[1]', 'a,b', ',', 'back\\slash', '{x}', 'with space', 'läuft',
                                  '*', 'a$b_$', '%s', '~'])
def test_any_name_of_a_folder_and_a_file_will_do(name, tmp_path, capsys):
  (tmp_path / 'x').mkdir()
  write_run(tmp_path / 'x' / name, 3, [(1, 1), (2, 2)])
  write_run(tmp_path / 'x' / 'other', 4, [(1, 1), (2, 2)])
  plotted(f'--run_dirs={tmp_path}/x/{name}', f'--out={tmp_path}/out/{name}')
  assert json.loads(capsys.readouterr().out)['seeds'] == [3]
  plotted(f'--run_dirs={tmp_path}/x/{name},{tmp_path}/x/other', f'--out={tmp_path}/{name}',
          f'--beside={tmp_path}/out/{name}.csv')
  assert json.loads(capsys.readouterr().out)['seeds'] == [3, 4]
  assert {path.name for path in (tmp_path / 'out').iterdir()} == {f'{name}.csv', f'{name}.png'}


def test_brackets_choose_where_no_folder_has_them(tmp_path, capsys):
  for seed in range(3):
    write_run(tmp_path / f'hc-{seed}', seed, [(1, 1)])
  plotted(f'--run_dirs={tmp_path}/hc-[12]', f'--out={tmp_path}/out')
  assert json.loads(capsys.readouterr().out)['seeds'] == [1, 2]


def test_places_on_other_machines_are_refused(tmp_path):
  run = write_run(tmp_path / 'run', 0, [(1, 1)])
  for arguments in ([f'--run_dirs={run}', '--out=s3://bucket/x'],
                    ['--run_dirs=gs://bucket/run', f'--out={tmp_path}/x']):
    with pytest.raises(errors.UserError, match='local folders alone'):
      plotted(*arguments)


@pytest.mark.parametrize('mine', ['out.csv', 'out.png'])
def test_a_file_of_somebody_else_is_not_overwritten(mine, tmp_path):
  run = write_run(tmp_path / 'run', 0, [(1, 1)])
  (tmp_path / mine).write_text('years,of,work\n')
  with pytest.raises(errors.UserError, match='not overwritten.*Received: out='):
    plotted(f'--run_dirs={run}', f'--out={tmp_path}/out')
  assert (tmp_path / mine).read_text() == 'years,of,work\n' and len(list(tmp_path.iterdir())) == 2


def test_what_it_wrote_itself_is_replaced(tmp_path):
  for steps in (1, 2):
    plotted(f'--run_dirs={write_run(tmp_path / f"run-{steps}", 0, [(steps, 1)])}',
            f'--out={tmp_path}/out')
  assert '2,1.00,1.00' in (tmp_path / 'out.csv').read_text()
