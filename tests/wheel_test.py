"""What archive and wheel hold, and that its one command works from any folder."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

import mbrl_tf

_ROOT = pathlib.Path(__file__).parent.parent
_DELIVERED = ('mbrl_tf', 'launchers', 'configs', 'benchmarks', 'setup.py', 'pyproject.toml',
              'requirements.txt', 'MANIFEST.in', 'README.md', 'LICENSE')


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  """An archive of a copy of the sources, because a build leaves files beside these."""
  folder = tmp_path_factory.mktemp('source')
  for name in _DELIVERED:
    copy = shutil.copytree if (_ROOT / name).is_dir() else shutil.copy
    copy(_ROOT / name, folder / name)
  done = subprocess.run(
      [sys.executable, '-c', "from setuptools import build_meta; build_meta.build_sdist('dist')"],
      capture_output=True, text=True, cwd=folder)
  assert done.returncode == 0, done.stderr
  return next((folder / 'dist').glob('*.tar.gz'))


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
  """A wheel that is made of that archive alone."""
  folder = tmp_path_factory.mktemp('wheel')
  done = subprocess.run(
      [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation',
       f'--wheel-dir={folder}', str(source)], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  return next(folder.glob('*.whl'))


@pytest.fixture(scope='module')
def call(wheel, tmp_path_factory):
  """Runs `python -m mbrl_tf` as the wheel has it, in an empty folder."""
  site = tmp_path_factory.mktemp('site')
  with zipfile.ZipFile(wheel) as archive:
    archive.extractall(site)
  environment = {**os.environ, 'PYTHONPATH': str(site)}
  folder = tmp_path_factory.mktemp('elsewhere')
  return lambda *arguments: subprocess.run(
      [sys.executable, '-m', 'mbrl_tf', *arguments], cwd=folder, env=environment,
      capture_output=True, text=True)


def test_a_wheel_takes_no_name_but_its_own(wheel):
  with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
    entry = next(name for name in names if name.endswith('entry_points.txt'))
    said = archive.read(entry).decode()
  assert {name.split('/')[0].split('-')[0] for name in names} == {'mbrl_tf'}
  assert {f'mbrl_tf/shipped/{name}' for name in (
      'launchers/train.py', 'configs/tdmpc2/vectors.py', 'benchmarks/timing.py')} <= set(names)
  assert not any('test' in name.split('/')[1] for name in names)
  assert 'mbrl-tf = mbrl_tf.__main__:main' in said


def test_archive_and_wheel_have_the_version_that_the_package_tells(source, wheel):
  assert source.name == f'mbrl_tf-{mbrl_tf.__version__}.tar.gz'
  assert wheel.name == f'mbrl_tf-{mbrl_tf.__version__}-py3-none-any.whl'


def test_the_command_lists_what_it_does(call):
  done = call()
  assert done.returncode == 0, done.stderr
  said = dict(line.split(None, 1) for line in done.stdout.splitlines()[2:])
  assert {'train', 'evaluate', 'export', 'check', 'plot', 'benchmark'} <= set(said)
  assert said['train'] == 'Trains, and resumes where the run directory holds a run already.'


def test_an_unknown_command_is_told_the_nearest(call):
  done = call('trian')
  assert done.returncode == 2 and done.stdout == ''
  assert done.stderr == (
      "error: There is no command of this name. Nearest: train. Received: command='trian'\n")


def test_a_config_is_found_by_its_name(call):
  done = call('train', '--config=tdmpc2/vectors', '--help')
  assert done.returncode == 0, done.stderr
  assert "environment.name = 'dmc:walker_walk'" in done.stdout


def test_an_unknown_config_is_told_the_nearest(call):
  done = call('train', '--config=tdmpc2/vector')
  assert done.returncode == 2 and done.stdout == ''
  assert 'There is no config of this name. Nearest: tdmpc2/vectors' in done.stderr
  assert done.stderr.endswith("Received: config='tdmpc2/vector'\n")
