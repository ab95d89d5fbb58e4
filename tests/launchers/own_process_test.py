"""What a launcher keeps to itself, whatever else lives in its process."""

import os
import pathlib
import subprocess
import sys
import warnings

import pytest

from launchers import own_process

_ROOT = pathlib.Path(__file__).parent.parent.parent


def run(code, *options, **variables):
  """Runs Python code as a launcher's main module; returns exit status, stdout and stderr."""
  begin = ('import atexit, multiprocessing, os, subprocess, sys, threading, time, warnings\n'
           'from launchers import command, own_process\nsys.argv = ["launcher"]\n')
  done = subprocess.run([sys.executable, *options, '-c',
                         begin + code + '\ncommand.run(main, "", ())'], capture_output=True,
                        text=True,
                        timeout=60, cwd=_ROOT, env={**os.environ, **variables})
  return done.returncode, done.stdout, done.stderr


def test_stdout_is_for_results_alone_whoever_prints():
  status, out, err = run('''
def main():
  print('python')
  os.write(1, b'descriptor\\n')
  sys.__stdout__.write('original\\n')
  sys.__stdout__.flush()
  subprocess.run(['echo', 'child'])
  own_process.tell({'a': 1})
  sys.stdout = None
  atexit.register(os.write, 1, b'late\\n')
''')
  assert (status, out) == (0, '{"a": 1}\n')
  assert sorted(err.split()) == ['child', 'descriptor', 'late', 'original', 'python']


@pytest.mark.parametrize('closed', [1, 2])
def test_a_closed_stream_is_no_hindrance(closed):
  done = subprocess.run(
      ['sh', '-c', f'exec "$0" -c "$1" {closed}>&-', sys.executable,
       'import sys\nfrom launchers import command, own_process\nsys.argv = ["launcher"]\n'
       'def main():\n  own_process.tell({"a": 1})\ncommand.run(main, "", ())'], capture_output=True,
       text=True, cwd=_ROOT)
  assert (done.returncode, done.stdout) == (0, '{"a": 1}\n' if closed == 2 else '')


def test_within_a_test_the_streams_come_back(capsys):
  before = sys.stdout, os.fstat(1)
  undo = own_process.keep_output()
  print('simulator')
  own_process.tell({'a': 1})
  undo()
  print('after')
  said = capsys.readouterr()
  assert said.out == '{"a": 1}\nafter\n' and said.err == 'simulator\n'
  assert (sys.stdout, os.fstat(1)) == before


@pytest.mark.parametrize('code, status, said', [
    ('threading.Thread(target=threading.Event().wait, name="endless").start()', 0,
     "threads=['endless']"),
    ('threading.Thread(target=threading.Event().wait).start(); raise ValueError("mine")', 1,
     'ValueError: mine'),
    ('multiprocessing.get_context("fork").Process(target=time.sleep, args=[1000]).start()', 0, ''),
    ('threading.Thread(target=time.sleep, args=[0.2]).start()', 0, ''),
    ('threading.Thread(target=os._exit, args=[0]).start(); time.sleep(5)', 1,
     'error: A simulator or a package ended this process. Received: os._exit(0)'),
    ('os._exit(5)', 5, 'Received: os._exit(5)'), ('sys.exit(0)', 1, 'Received: SystemExit=0'),
    ('child = os.fork() or os._exit(0); os.waitpid(child, 0)', 0, '')])
def test_the_end_comes_and_says_what_it_was(code, status, said):
  found, out, err = run(f'def main():\n  atexit.register(os.write, 2, b"tidied")\n  {code}')
  assert found == status and out == ''
  assert said in err if said else err == 'tidied'
  assert 'tidied' in err or 'os._exit' in err


@pytest.mark.parametrize('options, variable', [
    (['-W', 'error'], ''), ([], 'error'), ([], 'e'), ([], 'ignore,error::DeprecationWarning'),
    (['-Werror::UserWarning'], 'error')])
def test_warnings_end_nothing_and_are_shown(options, variable):
  code = '''
def main():
  warnings.warn('old', DeprecationWarning); warnings.warn('odd', UserWarning)
  print(sys.warnoptions, os.environ['PYTHONWARNINGS'], file=sys.stderr)
'''
  status, out, err = run(code, *options, PYTHONWARNINGS=variable)
  assert status == 0 and out == ''
  assert 'Warning: o' in err and err.count('Warnings are shown and end nothing here') == 1
  assert 'error' not in err.splitlines()[-1] and "'e'" not in err.splitlines()[-1]


def test_other_warning_options_stay(monkeypatch, capsys):
  monkeypatch.setattr(sys, 'warnoptions', ['ignore', 'default::UserWarning', 'once'])
  with warnings.catch_warnings():
    before = list(warnings.filters)
    own_process.show_warnings()
    assert warnings.filters == before
  assert sys.warnoptions == ['ignore', 'default::UserWarning', 'once']
  assert capsys.readouterr().err == ''
