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


def test_flatten():
  assert run_directory.flatten({'a': {'b': {'c': 1}, 'd': {}}, 'e': 2}) == {'a.b.c': 1, 'a.d': {}, 'e': 2}
