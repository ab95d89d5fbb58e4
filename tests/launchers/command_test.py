"""What a person sees of a command: help, one line for a mistake, and an exit status."""

import json
import pathlib
import subprocess
import sys

from absl.testing import flagsaver
import pytest

from launchers import command
from mbrl_tf import __main__ as main_module
from mbrl_tf import shipped_configs

_CONFIG = str(pathlib.Path(__file__).parent / 'point_mass_config.py')


def launch(launcher, *arguments):
  """Runs a launcher in a process of its own; returns (exit status, stdout, stderr)."""
  done = subprocess.run([sys.executable, '-m', f'launchers.{launcher}', *arguments], capture_output=True, text=True)
  return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize('arguments, parts', [
    (['--config.meta.iner_lr=3'], ['no such field', 'Nearest: meta.inner_lr', 'Received: --config.meta.iner_lr=3']),
    (['--config.inner_lr=3'], ['Nearest: meta.inner_lr']),
    (['--config.meta.inner_lr=x'], ["could not convert string to float: 'x'"]),
    (['--config.meta.inner_lr=-1'], ['meta.inner_lr must be above 0 and finite. Received: meta.inner_lr=-1.0']),
    (['--config.environment.kwargs=x'], ['expected a JSON object']),
    (['--run_dirr=x'], ['Did you mean: run_dir']),
    (['word'], ['form --name=value', 'Received: word']),
])
def test_a_mistake_is_one_line_and_status_2(arguments, parts):
  status, out, err = launch('train', f'--config={_CONFIG}', *arguments)
  assert status == 2 and out == ''
  assert err.startswith('error: ') and err.count('\n') == 1
  for part in parts:
    assert part in err


@pytest.mark.parametrize('launcher, arguments, part', [
    ('train', ['--config=/nowhere.py'], '/nowhere.py'),
    ('train', ['--config=/nowhere.py', '--config.run.seed=1'], '/nowhere.py'),
    ('train', [], 'A run needs a config'),
    ('train', ['--config.run.seed=1'], 'only together with --config'),
    ('train', ['--run_dir=/nowhere'], 'There is no run here'),
    ('evaluate', [], 'Give --run_dir=DIR'),
    ('evaluate', ['--run_dir=/nowhere'], 'There is no run here'),
    ('evaluate', ['--run_dir=/nowhere', '--episodes=0'], 'episodes'),
    ('export', ['--run_dir=/nowhere'], '--export_dir=DIR is needed'),
    ('export', ['--run_dir=x', '--export_dir=y', '--seed=1'], 'does not take --seed'),
])
def test_what_is_missing_is_named(launcher, arguments, part):
  status, out, err = launch(launcher, *arguments)
  assert status == 2 and out == ''
  assert part in err and err.startswith('error: ') and err.count('\n') == 1


@pytest.mark.parametrize('launcher', [
    'train', 'evaluate', 'export', 'import_episodes', 'export_episodes'])
def test_help_shows_our_flags_alone(launcher):
  status, out, err = launch(launcher, '--help')
  assert status == 0 and err == ''
  assert f'python -m launchers.{launcher} ' in out and '--run_dir' in out
  assert 'logtostderr' not in out and 'verbosity' not in out
  assert max(map(len, out.splitlines())) <= 130


def test_help_with_a_config_lists_its_fields():
  status, out, _ = launch('train', '--help', f'--config={_CONFIG}')
  assert status == 0
  assert '  meta.inner_lr = 0.001\n' in out and '  ensemble.hidden_sizes = [8]\n' in out


@pytest.mark.parametrize('launcher', [
    'train', 'evaluate', 'export', 'import_episodes', 'export_episodes'])
def test_a_launcher_is_imported_without_tensorflow(launcher):
  code = f'import sys, json, launchers.{launcher}; print(json.dumps(sorted(set(sys.modules) & {{"tensorflow", "tf_agents", "mujoco"}})))'
  said = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert json.loads(said.stdout) == []


def test_what_the_package_decides_is_told_once_whatever_a_dependency_logs():
  code = ('import logging, sys; from launchers import command; sys.argv = ["launcher"]\n'
          'def main(): logging.warning("A dependency speaks."); logging.getLogger("mbrl_tf.part").info("chosen")\n'
          'command.run(main, "", ())')
  said = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert said.stderr.splitlines() == ['A dependency speaks.', 'chosen']


def test_too_little_memory_is_one_line_and_status_1(monkeypatch, capsys):
  def main():
    raise MemoryError('Unable to allocate 728. TiB for an array')

  monkeypatch.setattr(sys, 'argv', ['launcher', '--seed=3'])
  with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
    command.run(main, '', ('seed',))
  assert ended.value.code == 1
  assert capsys.readouterr().err == (
      'error: There is not enough memory for these settings (Unable to allocate 728. TiB for an array). Received: --seed=3\n')


def test_inspect_is_a_command_and_python_keeps_the_name():
  known = main_module.commands(pathlib.Path(command.__file__).parent)
  assert known['inspect'].startswith('Compares') and 'inspect_model' not in known
  assert {'train', 'evaluate', 'plot'} < set(known)


def test_a_path_of_the_checkout_names_the_config_elsewhere_too(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  shipped = f'--config={shipped_configs.names()["tdmpc2/vectors"]}'
  for given in ('tdmpc2/vectors', 'configs/tdmpc2/vectors.py'):
    assert command._with_paths_of_configs(['train', f'--config={given}']) == ['train', shipped]
  own = tmp_path / 'configs' / 'tdmpc2' / 'vectors.py'
  own.parent.mkdir(parents=True)
  own.touch()  # a file that is there comes first
  given = ['train', '--config=configs/tdmpc2/vectors.py']
  assert command._with_paths_of_configs(given) == given


def test_a_field_of_a_run_without_its_config_says_what_to_repeat(tmp_path):
  done = subprocess.run(
      [sys.executable, '-m', 'launchers.train', f'--run_dir={tmp_path}', '--config.run.seed=1'],
      capture_output=True, text=True)
  assert done.returncode == 2 and 'repeat the command that began it' in done.stderr
