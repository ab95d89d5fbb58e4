"""Episodes are imported, learned from, and exported as a person does it."""

import json
import sys
from unittest import mock

from absl.testing import flagsaver
import numpy as np
import pytest
import tensorflow as tf

from launchers import export_episodes, import_episodes, train
from mbrl_tf import assembly
from mbrl_tf import errors
from mbrl_tf.environments import toy
from mbrl_tf.training import run_directory
from tests.launchers import launchers_test, point_mass_config

_CONFIG = f'--config={launchers_test._CONFIG}'


def record(path, seed, decisions=50):
  """Plays the point mass without the toolkit, and writes a file as README.md says."""
  env, generator = toy.PointMass(), np.random.default_rng(seed)
  seen, actions, rewards = [env.reset(seed=seed)[0]], [], []
  for _ in range(decisions):
    actions.append(generator.uniform(-1, 1, 2))
    observation, reward, _, _, _ = env.step(actions[-1])
    seen.append(observation)
    rewards.append(reward)
  path.parent.mkdir(exist_ok=True)
  np.savez(path, observation=np.array(seen), action=np.array(actions), reward=np.array(rewards),
           terminated=np.zeros(decisions, bool))


def launch(launcher, capsys, *arguments):
  """Runs a launcher; returns its status, its JSON and what it said."""
  capsys.readouterr()
  # From there the fields of configs are read.
  with flagsaver.flagsaver(), mock.patch.object(sys, 'argv', ['launcher', *arguments]):
    launchers_test.parse(*arguments)
    status = launcher.main()
  out, err = capsys.readouterr()
  return status or 0, json.loads(out) if out else None, err


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
  """Three episodes, and one that is none of the task."""
  folder = tmp_path_factory.mktemp('recorded')
  for number in range(3):
    record(folder / f'{number}.npz', number)
  with np.load(folder / '0.npz') as good:
    np.savez(folder / 'broken.npz', **{**good, 'action': 3 * good['action']})
  return folder


def lines(path):
  return [json.loads(line) for line in (path / 'metrics.jsonl').read_text().splitlines()]


@pytest.fixture
def eagerly():
  """Programs of MB-MPO take minutes to compile, and seconds to run."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def test_imported_episodes_are_learned_from_first_offline_and_then_with_collection(
    recorded, tmp_path, capsys, eagerly):
  path = tmp_path / 'run'
  status, told, said = launch(import_episodes, capsys, _CONFIG, f'--run_dir={path}', f'--from={recorded}')
  broken = str(recorded / 'broken.npz')
  assert status == 1 and (told['episodes'], told['total'], told['decisions']) == (3, 3, 150)
  assert list(told['refused']) == [broken] and f'refused: {broken}: The action is none of' in said
  stored = lambda: sorted(path.glob('episodes/*.npz'))
  imported = {file: file.read_bytes() for file in stored()}
  assert len(imported) == 3

  run = lambda *arguments: launch(train, capsys, _CONFIG, f'--run_dir={path}', *arguments)
  run('--config.run.offline=True', '--config.run.env_steps=200')
  assert {file: file.read_bytes() for file in stored()} == imported
  assert [line['env_steps'] for line in lines(path)] == [100, 200]
  last = lines(path)[-1]
  assert np.isfinite(last['fit/validation_loss_mean']) and 'evaluate/return_mean' in last
  assert not any(name.startswith('collect/') for name in last)

  run('--config.run.env_steps=300', '--config.run.evaluate_every_env_steps=0')
  assert lines(path)[-1]['collect/return_mean'] < 50 and len(stored()) == 5
  assert {file: file.read_bytes() for file in stored()[:3]} == imported
  with pytest.raises(errors.UserError, match='learned already'):
    launch(import_episodes, capsys, f'--run_dir={path}', f'--from={recorded}')


def test_what_was_exported_is_what_was_recorded_and_is_imported_again(recorded, tmp_path, capsys):
  first, second, out = (tmp_path / name for name in ('first', 'second', 'out'))
  files = [f'--from={recorded / f"{number}.npz"}' for number in range(3)]
  assert launch(import_episodes, capsys, _CONFIG, f'--run_dir={first}', *files)[0] == 0
  status, told, _ = launch(export_episodes, capsys, f'--run_dir={first}', f'--to={out}')
  assert status == 0 and told == {'to': str(out), 'episodes': 3, 'decisions': 150}
  for number, file in enumerate(sorted(out.iterdir())):
    with np.load(file) as found, np.load(recorded / f'{number}.npz') as expected:
      for name in expected.files:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
      assert found['truncated'][-1] and found['action_repeat'] == 1
  with pytest.raises(errors.UserError, match='absent or empty'):
    launch(export_episodes, capsys, f'--run_dir={first}', f'--to={out}')

  # From the folder and then from the run: the same episodes, which are taken once.
  _, told, _ = launch(import_episodes, capsys, _CONFIG, f'--run_dir={second}', f'--from={out}')
  assert told['episodes'] == 3
  status, told, _ = launch(import_episodes, capsys, f'--run_dir={second}', f'--from={first}')
  assert (status, told['episodes'], told['known'], told['total']) == (0, 0, 3, 3)
  contents = [[file.read_bytes() for file in sorted(path.glob('episodes/*.npz'))]
              for path in (first, second)]
  assert len(contents[0]) == len(contents[1]) == 3


def test_where_all_is_refused_there_is_no_run(recorded, tmp_path, capsys):
  status, told, _ = launch(import_episodes, capsys, _CONFIG, f'--run_dir={tmp_path}',
                           f'--from={recorded / "broken.npz"}')
  assert status == 2 and told['episodes'] == told['total'] == 0
  assert [path.name for path in tmp_path.iterdir()] == ['lock']


@pytest.mark.parametrize('source, said', [
    ('nowhere', 'no file and no folder'), ('', 'Into which run'), ('s3://bucket', 'local folders'),
    ('.', 'neither .npz files nor those of a run')])
def test_a_source_that_is_none_is_told(tmp_path, monkeypatch, capsys, source, said):
  (tmp_path / 'here').mkdir()
  monkeypatch.chdir(tmp_path / 'here')
  with pytest.raises(errors.UserError, match=f'{said}.*Received: '):
    launch(import_episodes, capsys, _CONFIG, f'--run_dir={tmp_path / "run"}',
           *([f'--from={source}'] if source else []))


def test_offline_without_episodes_is_refused_before_it_is_a_run(tmp_path, capsys):
  with pytest.raises(errors.UserError, match='import_episodes brings some'):
    launch(train, capsys, _CONFIG, f'--run_dir={tmp_path}', '--config.run.offline=True')
  assert not (tmp_path / 'config.json').exists()


def test_another_tasks_run_is_refused_episode_by_episode(recorded, tmp_path, capsys):
  pendulum = point_mass_config.get_config()
  pendulum.environment.name = 'gym:Pendulum-v1'
  other, run = tmp_path / 'other', tmp_path / 'run'
  assert launch(import_episodes, capsys, _CONFIG, f'--run_dir={other}', f'--from={recorded / "1.npz"}')[0] == 0
  status, told, _ = launch(
      import_episodes, capsys, _CONFIG, '--config.environment.name=gym:Pendulum-v1',
      f'--run_dir={run}', f'--from={other}')
  (sentence,) = told['refused'].values()
  assert status == 2 and 'none of gym:Pendulum-v1' in sentence
  assert not (run / 'config.json').exists()


def test_minari_that_is_not_installed_is_told_with_what_brings_it(tmp_path, capsys):
  try:
    import minari  # noqa: F401
    pytest.skip('minari is installed here')
  except ImportError:
    pass
  with pytest.raises(errors.UserError, match=r'pip install \.\[minari\]'):
    launch(import_episodes, capsys, _CONFIG, f'--run_dir={tmp_path}', '--from=minari:mine/points-v0')


def test_minari_holds_what_was_recorded(recorded, tmp_path, capsys, monkeypatch):
  minari = pytest.importorskip('minari', reason="needs pip install 'minari[hdf5]'")
  monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path / 'sets'))
  first, second = tmp_path / 'first', tmp_path / 'second'
  files = [f'--from={recorded / f"{number}.npz"}' for number in range(3)]
  launch(import_episodes, capsys, _CONFIG, f'--run_dir={first}', *files)
  name = 'minari:mine/points-v0'
  _, told, _ = launch(export_episodes, capsys, f'--run_dir={first}', f'--to={name}')
  assert told['episodes'] == 3
  data = minari.load_dataset('mine/points-v0')
  for number, episode in enumerate(data):
    with np.load(recorded / f'{number}.npz') as expected:
      np.testing.assert_allclose(episode.observations, expected['observation'], atol=1e-6)
      np.testing.assert_allclose(episode.actions, expected['action'], atol=1e-6)
      np.testing.assert_allclose(episode.rewards, expected['reward'], atol=1e-6)
    assert episode.truncations[-1] and not episode.terminations.any()
  with pytest.raises(errors.UserError, match='has a data set of this id'):
    launch(export_episodes, capsys, f'--run_dir={first}', f'--to={name}')
  status, told, _ = launch(import_episodes, capsys, _CONFIG, f'--run_dir={second}', f'--from={name}')
  assert (status, told['episodes']) == (0, 3)
  assert run_directory.RunDirectory(second).imported().sources[0]['from'] == [name]
  with pytest.raises(errors.UserError, match='no data set that can be read'):
    launch(import_episodes, capsys, f'--run_dir={second}', '--from=minari:mine/others-v0')


def test_a_run_offline_has_one_simulator_and_one_that_collects_has_its_own(tmp_path):
  config = point_mass_config.get_config()
  for offline, count in ((True, 1), (False, 2)):
    config.run.offline = offline
    run = assembly.assemble(config, run_directory.RunDirectory(tmp_path))
    assert run.environment.batch_size == count
    run.environment.close()
