"""Paths as people give them, and files that appear without harm to what others have beside them."""

import os
import pathlib

import pytest

from mbrl_tf import errors
from mbrl_tf.data import files


@pytest.mark.parametrize('path', ['gs://bucket/run', 's3://bucket', 'hdfs://host/run',
                                  'file:///tmp/run', 'http://host/run', 'a\0b', 'a\udcff'])
def test_a_place_that_is_not_on_this_machine_or_no_path_is_refused(path):
  with pytest.raises(errors.UserError, match='Received: run_dir='):
    files.local_path(path, 'run_dir')


@pytest.mark.parametrize('path', ['runs/hc', 'a:b', 'gs:/x', 'a//b://c', 'läuft', 'x[1]{2}, 3\\4 ~',
                                  'a/~/b', 'no_such~', '~no_such_user_/x'])
def test_any_other_is_taken_as_it_is(path, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert files.local_path(path, 'run_dir') == tmp_path / path


def test_a_tilde_is_the_home_folder(monkeypatch):
  monkeypatch.setenv('HOME', '/home/someone')
  assert files.local_path('~/runs', 'run_dir') == pathlib.Path('/home/someone/runs')
  assert files.local_path(pathlib.Path('~'), 'run_dir') == pathlib.Path('/home/someone')


@pytest.mark.parametrize('linked', ['file', 'file.partial'])
def test_a_link_is_replaced_and_not_followed(linked, tmp_path):
  (tmp_path / 'precious').write_text('years of work')
  (tmp_path / linked).symlink_to(tmp_path / 'precious')
  files.write_atomically(tmp_path / 'file', b'new')
  assert (tmp_path / 'file').read_bytes() == b'new' and not (tmp_path / 'file').is_symlink()
  assert (tmp_path / 'precious').read_text() == 'years of work'


def test_only_named_leftovers_are_removed(tmp_path):
  for name in ('a-1.partial', 'a-1', 'b-1.partial', 'a-1.partial.old'):
    (tmp_path / name).touch()
  (tmp_path / 'a-2.partial').mkdir()
  files.remove_partial(tmp_path, r'a-\d')
  assert sorted(os.listdir(tmp_path)) == ['a-1', 'a-1.partial.old', 'a-2.partial', 'b-1.partial']
