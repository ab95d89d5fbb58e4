"""What a person is told of their machine: each thing that can be wrong, and what to do."""

import collections

import pytest

from launchers import check_installation, doctor, own_process, table
from mbrl_tf.environments import report

_Usage = collections.namedtuple('_Usage', ['total', 'used', 'free'])


def test_this_machine_is_fit_for_it(monkeypatch):
  told = []
  monkeypatch.setattr(own_process, 'say', told.append)
  monkeypatch.setattr(doctor, '_training', lambda: report.Row('training', report.OK, 'A toy'))
  monkeypatch.setattr(doctor, '_drawing', lambda: report.Row('drawing', report.OK, 'Drawn'))
  assert doctor.main() == 0
  said = '\n'.join(told)
  assert 'ok       python               Python 3.' in said
  assert 'TensorFlow 2.' in said and 'GiB free' in said
  assert told[-1].startswith('0 errors, ')


def test_a_package_that_is_missing_is_an_error(monkeypatch):
  monkeypatch.setattr(check_installation, 'unmet', lambda packages: ([], ['mbrl_tf asks for x>=1']))
  row = doctor._packages()
  assert row.level == report.ERROR and row.received == 'mbrl_tf asks for x>=1'
  assert 'pip install --no-deps -r requirements.txt' in row.advice


def test_another_version_is_a_warning(monkeypatch):
  real = check_installation.installed
  monkeypatch.setattr(check_installation, 'unmet', lambda packages: ([], []))
  monkeypatch.setattr(check_installation, 'installed',
                      lambda package: '0.1' if package == 'numpy' else real(package))
  row = doctor._packages()
  assert row.level == report.WARNING and row.received.startswith('numpy 0.1 instead of ')


@pytest.mark.parametrize('value', ['glx', 'off'])
def test_what_keeps_from_drawing_is_named(monkeypatch, value):
  monkeypatch.setenv('MUJOCO_GL', value)
  row = doctor._drawing()
  assert row.level == report.WARNING and f"MUJOCO_GL='{value}'" in '\n'.join(table.of_row(row))


def test_little_memory_and_a_full_disk_are_warned_of(monkeypatch):
  monkeypatch.setattr(doctor, '_MEMORY', 2**60)
  monkeypatch.setattr(doctor.shutil, 'disk_usage', lambda path: _Usage(2**40, 2**40, 2**20))
  assert doctor._memory().level == doctor._disk().level == report.WARNING
  assert doctor._disk().found.startswith('0.0 GiB free in ')


def test_training_that_fails_is_an_error_with_its_last_line(monkeypatch):
  monkeypatch.setattr(doctor, '_TOY', ['--config=dreamer/smoke', '--config.run.env_steps=0'])
  row = doctor._training()
  assert row.level == report.ERROR and 'Received: run.env_steps=0' in row.received
