"""One owner, one config, and a config that survives its file."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys

import pytest

from mbrl_tf import errors
from mbrl_tf.training import run_directory
from tests import fakes


def changed(**run):
  config = fakes.CountingConfig()
  config.run = dataclasses.replace(config.run, **run)
  return config


def test_a_config_comes_back_from_its_file(tmp_path):
  config = fakes.CountingConfig()
  config.environment.kwargs = {'a': 1, 'b': {'c': [1, 2]}}
  config.part.sizes = (7, 8, 9)
  with run_directory.RunDirectory(tmp_path / 'a' / 'b') as directory:
    directory.write_config(config)
    assert run_directory.config_from_dict(fakes.CountingConfig, directory.read_config()) == config
    content = json.loads(directory.config_file.read_text())
  assert content['algorithm'] == 'counting'
  assert content['versions']['tensorflow'].startswith('2.')


def strict(text):
  """Reads JSON as a reader that knows no more than the standard does."""
  def refuse(name):
    raise AssertionError(name)
  return json.loads(text, parse_constant=refuse)


def test_infinite_numbers_come_back_from_a_file_that_any_reader_takes(tmp_path):
  config = fakes.CountingConfig()
  config.environment.kwargs = {'healthy_z_range': (float('-inf'), float('inf')), 'inf': {'deep': [1.5, [float('inf')]]}}
  directory = run_directory.RunDirectory(tmp_path)
  directory.write_config(config)
  written = strict(directory.config_file.read_text())
  assert written['config']['environment']['kwargs']['healthy_z_range'] == [{'$float': '-inf'}, {'$float': 'inf'}]
  assert directory.read_config()['environment']['kwargs'] == {
      'healthy_z_range': [float('-inf'), float('inf')], 'inf': {'deep': [1.5, [float('inf')]]}}
  directory.write_config(config)  # still the same run
  config.environment.kwargs = {**config.environment.kwargs, 'healthy_z_range': (0., float('inf'))}
  with pytest.raises(errors.UserError, match='healthy_z_range'):
    directory.write_config(config)


def test_a_number_that_is_none_comes_back():
  assert math.isnan(run_directory.from_json(run_directory.to_json({'a': [float('nan')]}))['a'][0])
  strict(run_directory.to_json({'a': float('nan')}))


def test_an_unknown_field_is_named():
  with pytest.raises(errors.UserError, match="Nearest: rate.*Received: field of CountingPart='rat'"):
    run_directory.config_from_dict(fakes.CountingConfig, {'part': {'rat': 1}})


def test_a_run_goes_on_with_its_own_config_only(tmp_path):
  directory = run_directory.RunDirectory(tmp_path)
  directory.write_config(changed())
  directory.write_config(changed(env_steps=99, evaluate_episodes=3, evaluate_every_env_steps=20, keep_checkpoints=1))
  assert directory.read_config()['run']['env_steps'] == 99
  with pytest.raises(errors.UserError, match='run.seed: 0 -> 5'):
    directory.write_config(changed(seed=5))
  other = changed()
  other.part.rate = 0.25
  other.environment.name, other.environment.num_envs, before = 'toy:other', 7, directory.config_file.read_bytes()
  with pytest.raises(errors.UserError, match="environment.name: '' -> 'toy:other', environment.num_envs: 1 -> 7, part.rate: 0.5 -> 0.25.*Received: run_dir="):
    directory.write_config(other)
  other.algorithm = 'another'
  with pytest.raises(errors.UserError, match="algorithm: 'counting' -> 'another'"):
    directory.write_config(other)
  assert directory.config_file.read_bytes() == before


def test_a_field_that_is_newer_than_the_file_counts_with_its_default(tmp_path):
  directory = run_directory.RunDirectory(tmp_path)
  directory.write_config(fakes.CountingConfig())
  content = json.loads(directory.config_file.read_text())
  del content['config']['part']['rate']
  directory.config_file.write_text(json.dumps(content))
  directory.write_config(fakes.CountingConfig())
  assert directory.read_config()['part']['rate'] == 0.5


def test_a_second_process_is_refused_until_the_first_ends(tmp_path):
  code = (f'from mbrl_tf import errors; from mbrl_tf.training import run_directory\n'
          f'try:\n  with run_directory.RunDirectory({str(tmp_path)!r}): print("owner")\n'
          f'except errors.UserError as error: print(error)')
  second = lambda: subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
  with run_directory.RunDirectory(tmp_path):
    assert 'Another process trains' in second()
  assert second() == 'owner\n'


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path):
  """Also while a process that the killed one had started lives on, as a simulator's worker may for a moment."""
  code = (f'import multiprocessing, os, signal, subprocess, sys, time; from mbrl_tf.training import run_directory\n'
          f'with run_directory.RunDirectory({str(tmp_path)!r}):\n'
          f'  worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)\n'
          f'  print(os.getpid(), worker.pid, flush=True)\n  time.sleep(600)')
  owner = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
  pid, worker = map(int, owner.stdout.readline().split())
  try:
    with pytest.raises(errors.UserError, match=f'Another process trains in this run directory .process {pid} on .*Received: run_dir='):
      run_directory.RunDirectory(tmp_path).__enter__()
    assert (tmp_path / 'lock').read_text().startswith(f'process {pid} on')  # the one that was refused changed nothing
    owner.kill()
    owner.wait()
    with run_directory.RunDirectory(tmp_path):
      assert (tmp_path / 'lock').read_text().startswith(f'process {os.getpid()} on')
  finally:
    owner.kill()
    os.kill(worker, signal.SIGKILL)


def test_no_run_there(tmp_path):
  with pytest.raises(errors.UserError, match='There is no run here'):
    run_directory.RunDirectory(tmp_path).read_config()
  (tmp_path / 'config.json').write_text('{"config"')
  with pytest.raises(errors.UserError, match='cannot be read'):
    run_directory.RunDirectory(tmp_path).read_config()


def snapshot(folder):
  """Everything below a folder: of a link where it leads, of a file its content."""
  return {path.relative_to(folder): os.readlink(path) if path.is_symlink() else path.read_bytes()
          if path.is_file() else None
          for path in folder.rglob('*')}


FOREIGN = {
    'a thesis': {'thesis.txt': 'years of work'},
    'episodes': {'episodes/00000000-5.npz': 'of another run'},
    'metrics': {'metrics.jsonl': '{"epoch": 1}\n'}, 'a download': {'film.mp4.partial': 'half'},
    'a hidden file': {'.env': 'A=1'},
    'a checkpoint': {'checkpoints/checkpoint-5.index': 'x'}, 'a lock': {'lock': 'of my own'},
    'a folder lock': {'lock/inside': 'x'},
    'an empty folder': {'empty/': ''}, 'a config': {'config.json': '{"model_type": "bert"}'},
    'a list': {'config.json': '[1]'},
    'half a config': {'config.json.partial': 'mine'},
    'another config': {'config.json': '{"config": {"lr": 1}}'},
    'events': {'events.out.tfevents.1.host': 'x'}}


def fill(folder, content):
  """Writes files below a folder, given by name; a name that ends in a slash is an empty folder."""
  for name, text in content.items():
    path = folder / name
    (path if name.endswith('/') else path.parent).mkdir(parents=True, exist_ok=True)
    if not name.endswith('/'):
      path.write_text(text)


@pytest.mark.parametrize('content', FOREIGN.values(), ids=FOREIGN)
def test_a_folder_that_holds_something_else_is_refused_and_stays_as_it_is(content, tmp_path):
  fill(tmp_path, content)
  before = snapshot(tmp_path)
  for host in (0, 1):
    with pytest.raises(errors.UserError, match='Received: run_dir=.*') as raised:
      run_directory.RunDirectory(tmp_path, host).__enter__()
    assert '\n' not in str(raised.value)
  assert snapshot(tmp_path) == before


@pytest.mark.parametrize('content', [
    {}, {'lock': 'process 5 on host'}, {'lock': '', 'lock-1': 'process 6 on other'},
    {'config.json.partial': ''}, {'checkpoints/': '', 'episodes/': ''},
    {'lock': 'process 5 on host', 'config.json.partial': '{\n  "algo'},
    {'config.json.partial': '{\n  "algorithm": "mbmpo",\n  "con'}])
def test_what_a_run_leaves_that_was_killed_before_its_config_is_no_hindrance(content, tmp_path):
  fill(tmp_path, content)
  with run_directory.RunDirectory(tmp_path) as directory:
    directory.write_config(fakes.CountingConfig())
  with run_directory.RunDirectory(tmp_path):
    pass


@pytest.mark.parametrize('name', ['config.json', 'metrics.jsonl', 'lock', 'lock-3', 'checkpoints',
                                  'episodes', 'episodes/shard-1'])
def test_no_link_leads_out_of_a_run(name, tmp_path):
  other = tmp_path / 'other'
  fill(other, {'file': '{"config": {"algorithm": "counting"}}',
               'folder/00000000-5.npz': 'an episode'})
  run = tmp_path / 'run'
  with run_directory.RunDirectory(run) as directory:
    directory.write_config(fakes.CountingConfig())
  (run / name).parent.mkdir(exist_ok=True)
  (run / name).unlink(missing_ok=True)
  (run / name).symlink_to(other / ('folder' if '.' not in name and 'lock' not in name else 'file'))
  before = snapshot(tmp_path)
  with pytest.raises(errors.UserError, match=f"follows no links.*Received: run_dir=.*{name}"):
    run_directory.RunDirectory(run).__enter__()
  assert snapshot(tmp_path) == before


def test_the_folder_itself_may_be_a_link(tmp_path):
  (tmp_path / 'disk').mkdir()
  (tmp_path / 'run').symlink_to(tmp_path / 'disk')
  with run_directory.RunDirectory(tmp_path / 'run') as directory:
    directory.write_config(fakes.CountingConfig())
  assert (tmp_path / 'disk' / 'config.json').exists()


def test_a_run_stays_where_it_is_when_the_working_directory_changes(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with run_directory.RunDirectory('run') as directory:
    monkeypatch.chdir('/')
    directory.write_config(fakes.CountingConfig())
  assert (tmp_path / 'run' / 'config.json').exists()


def test_only_what_a_run_writes_is_a_leftover(tmp_path):
  directory = run_directory.RunDirectory(tmp_path)
  names = ['config.json.partial', 'metrics.jsonl.partial', 'evaluate-30.gif.partial',
           'evaluate-30-0a1b2c3d.gif.partial',
           'film.mp4.partial', 'evaluate-mine.gif.partial']
  fill(tmp_path, dict.fromkeys(names, ''))
  directory.remove_partial()
  assert {path.name for path in tmp_path.iterdir()} == set(names[4:])


def test_flatten():
  assert run_directory.flatten({'a': {'b': {'c': 1}, 'd': {}}, 'e': 2}) == {'a.b.c': 1, 'a.d': {}, 'e': 2}


def test_runs_in_a_folder_and_beside_it_are_told(tmp_path):
  for name in ('hc-0', 'hc-1', 'walker'):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'config.json').touch()
  told = lambda path: run_directory.RunDirectory(path).runs_near()
  assert told(tmp_path) == ' Runs in this folder: hc-0, hc-1, walker.'
  assert told(tmp_path / 'hc-2') == ' Nearest beside it: hc-1, hc-0.'
  assert told(tmp_path / 'nothing' / 'alike') == ''
