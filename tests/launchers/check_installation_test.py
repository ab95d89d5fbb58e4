"""What is said of an environment in which something is missing."""

from importlib import metadata
import subprocess
import sys

import pytest

from launchers import check_installation

_PACKAGES = {
    'tf-agents': ('0.19.0', ['pygame==2.1.3', 'numpy>=1.19.0', 'here>=1',
                             "absent; extra == 'tests'", "absent; python_version < '3'"]),
    'here': ('0.9', ['gone']),
    'numpy': ('2.4.6', None)}
_CHECK_WITHOUT = '''
import runpy, sys
sys.modules[{!r}] = None
runpy.run_module('launchers.check_installation', run_name='__main__')
'''


@pytest.fixture
def packages(monkeypatch):
  def version(name):
    if name not in _PACKAGES:
      raise metadata.PackageNotFoundError(name)
    return _PACKAGES[name][0]

  monkeypatch.setattr(metadata, 'version', version)
  monkeypatch.setattr(metadata, 'requires', lambda name: _PACKAGES[name][1])


@pytest.mark.usefixtures('packages')
def test_what_is_missing_is_told_from_what_is_left_out_on_purpose():
  left_out, missing = check_installation.unmet(['tf-agents', 'here', 'numpy', 'not_installed'])
  assert missing == ['tf-agents asks for here>=1; installed: 0.9',
                     'here asks for gone; installed: none']
  assert len(left_out) == 1
  assert left_out[0].startswith('tf-agents asks for pygame==2.1.3; installed: none. On purpose: ')


@pytest.mark.usefixtures('packages')
def test_a_package_that_misses_something_fails_the_check(monkeypatch, capsys):
  monkeypatch.setitem(_PACKAGES, 'mbrl_tf', ('0.1.0', ['gone', "numpy==2.0.0; extra == 'tested'"]))
  assert check_installation.main() == 1
  said = capsys.readouterr().out.splitlines()
  assert said[0].endswith(': mbrl_tf asks for gone; installed: none.')
  assert said[1:] == ['Others than the tested versions: numpy 2.4.6 (2.0.0).']


def test_a_module_that_does_not_import_fails_the_check(monkeypatch):
  monkeypatch.setattr(check_installation, 'modules', lambda: ['mbrl_tf.types', 'mbrl_tf.gone'])
  assert check_installation.failed_imports() == [
      "mbrl_tf.gone does not import (ModuleNotFoundError: No module named 'mbrl_tf.gone')"]


@pytest.mark.parametrize('module', ['tf_agents', 'dm_control'])
def test_what_pip_leaves_out_is_told_with_the_command_that_brings_it(module):
  done = subprocess.run([sys.executable, '-c', _CHECK_WITHOUT.format(module)],
                        capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr.count('\n') == 1
  assert '`pip install --no-deps tf-agents==0.19.0 dm_control==1.0.50` brings' in done.stderr
  assert done.stderr.endswith(f'without {module}\n')


def test_a_suite_that_does_not_import_fails_the_check(monkeypatch):
  monkeypatch.setattr(check_installation, 'modules', lambda: [])
  monkeypatch.setitem(sys.modules, 'dm_control', None)
  monkeypatch.delitem(sys.modules, 'dm_control.suite', raising=False)
  failed = check_installation.failed_imports()
  assert len(failed) == 1 and failed[0].startswith('dmc:cartpole_balance cannot be built (')
  assert 'dm_control' in failed[0]
