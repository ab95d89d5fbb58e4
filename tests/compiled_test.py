"""What XLA has compiled is found by the next process, and never torn, foreign or too much."""

import os
import pathlib
import resource
import subprocess
import sys

import pytest

from mbrl_tf import compiled

_ROOT = pathlib.Path(__file__).parent.parent
_FLAG = '--tf_xla_persistent_cache_directory='
# Compiles a program as launchers do, prints its result, and ends.
_PROGRAM = '''
from launchers import command
command.load_tensorflow('mbmpo')
import tensorflow as tf
print(float(tf.function(lambda x: tf.reduce_sum(x @ x + tf.sin(x)), jit_compile=True)(tf.ones([8, 8]))))
'''


@pytest.fixture(autouse=True)
def without_flags(monkeypatch, tmp_path):
  """As a user has it: the tests themselves let TensorFlow keep its programs elsewhere."""
  monkeypatch.setenv('TF_XLA_FLAGS', '')
  monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL', raising=False)
  monkeypatch.setenv('MBRL_TF_CACHE', str(tmp_path / 'cache'))


def own_folder():
  return pathlib.Path(os.environ['TF_XLA_FLAGS'].split(_FLAG)[1].split()[0])


def folder(tmp_path):
  found, = (tmp_path / 'cache').iterdir()
  return found


def compile_once():
  return subprocess.run([sys.executable, '-c', _PROGRAM], cwd=_ROOT, capture_output=True, text=True)


def test_the_next_process_finds_what_one_has_compiled_and_damage_costs_only_time(tmp_path):
  first = compile_once()
  kept, = folder(tmp_path).iterdir()
  content = kept.read_bytes()
  # The same number, and not a word of it.
  second = compile_once()
  assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, '')
  assert list(folder(tmp_path).iterdir()) == [kept] and kept.read_bytes() == content
  kept.write_bytes(content[:len(content) // 2])
  third = compile_once()
  assert (third.returncode, third.stdout) == (0, first.stdout)
  again, = folder(tmp_path).iterdir()  # no two compilations write the same bytes
  assert len(again.read_bytes()) == len(content)


def test_a_process_publishes_only_what_is_whole_and_leaves_nothing_else(tmp_path):
  one = compiled.keep()
  (own_folder() / 'a.pb').write_bytes(b'program')
  os.environ['TF_XLA_FLAGS'] = ''
  other = compiled.keep()  # begins before the first has ended
  assert (one.found, other.found) == (0, 0)
  one.publish()
  os.environ['TF_XLA_FLAGS'] = ''
  third = compiled.keep()
  assert third.found == 1 and (own_folder() / 'a.pb').read_bytes() == b'program'
  for each in (other, third):
    each.publish()
  kept, = folder(tmp_path).iterdir()
  assert kept.name.startswith('a.pb.')


def test_the_folder_of_a_killed_process_is_removed(tmp_path):
  compiled.keep().publish()
  killed = folder(tmp_path) / 'process-999999999-x'
  killed.mkdir()
  (killed / 'torn.pb').write_bytes(b'half')
  os.environ['TF_XLA_FLAGS'] = ''
  compiled.keep().publish()
  assert list(folder(tmp_path).iterdir()) == []


def test_the_oldest_programs_go_where_there_are_too_many(tmp_path, monkeypatch):
  monkeypatch.setattr(compiled, '_MOST_BYTES', 250)
  for index in range(4):
    kept = compiled.keep()
    (own_folder() / f'{index}.pb').write_bytes(bytes([index]) * 100)
    kept.publish()
    for file in folder(tmp_path).glob(f'{index}.pb.*'):
      os.utime(file, (index, index))
    os.environ['TF_XLA_FLAGS'] = ''
  assert sorted(file.name[0] for file in folder(tmp_path).iterdir()) == ['2', '3']


@pytest.mark.parametrize('variable, value', [
    ('MBRL_TF_CACHE', 'off'), ('TF_CONFIG', '{}'), ('MBRL_TF_CACHE', '/proc/nowhere'),
    ('TF_XLA_FLAGS', f'{_FLAG}/elsewhere')])
def test_nothing_is_kept_where_it_cannot_or_must_not_be(monkeypatch, variable, value):
  monkeypatch.setenv(variable, value)
  before = os.environ['TF_XLA_FLAGS']
  assert compiled.keep() is None and os.environ['TF_XLA_FLAGS'] == before


def test_nothing_is_kept_without_room(tmp_path):
  limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
  done = subprocess.run([sys.executable, '-c', _PROGRAM], cwd=_ROOT, capture_output=True, text=True,
                        preexec_fn=limit)
  assert done.returncode == 0, done.stderr
  assert list(folder(tmp_path).iterdir()) == []


def test_code_is_loaded_from_no_folder_that_others_may_write(tmp_path):
  compiled.keep().publish()
  os.environ['TF_XLA_FLAGS'] = ''
  folder(tmp_path).chmod(0o777)
  assert compiled.keep() is None
