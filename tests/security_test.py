"""What reads files executes none of them, and nothing listens where others could reach it: parses every source."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FILES = sorted(str(path.relative_to(ROOT)) for folder in ('mbrl_tf', 'launchers', 'configs', 'benchmarks') for path in (ROOT / folder).rglob('*.py'))
EXECUTING = {'pickle', 'cPickle', '_pickle', 'dill', 'cloudpickle', 'joblib', 'shelve', 'marshal', 'yaml'}
LISTENING = {'socket', 'socketserver', 'http', 'xmlrpc', 'asyncio', 'flask', 'aiohttp', 'tornado', 'grpc'}
# A config is Python: this executes one to list its fields, as config_flags does to read it.
RUNS_CONFIGS = 'launchers/command.py'
# Runs a launcher of our own, as `python -m` does.
RUNS_LAUNCHERS = 'mbrl_tf/__main__.py'
# Limits how long a pipe is read; it makes no socket that others could reach, for which it would call `listen`.
LIMITS_PIPES = 'mbrl_tf/environments/hosts.py'


def faults(source, path=''):
  """What a source does that may execute what it reads, or listen."""
  found = []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, (ast.Import, ast.ImportFrom)):
      names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
      allowed = {RUNS_CONFIGS: ['runpy'], RUNS_LAUNCHERS: ['runpy'], LIMITS_PIPES: ['socket']}.get(path, [])
      found += [name for name in names if name.split('.')[0] in EXECUTING | LISTENING | {'runpy'} and name not in allowed]
    elif isinstance(node, ast.Call):
      called = ast.unparse(node.func)
      allows = [keyword for keyword in node.keywords if keyword.arg == 'allow_pickle' and ast.unparse(keyword.value) != 'False']
      if called in ('eval', 'exec') or allows or called.endswith(('.enable_unsafe_deserialization', '.listen')):
        found.append(called)
      if re.fullmatch(r'(np|numpy)\.(load|fromregex|genfromtxt)', called) and not any(
          keyword.arg == 'allow_pickle' for keyword in node.keywords):
        found.append(called)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ('bind_all' in node.value or '0.0.0.0' in node.value):
      found.append(node.value)
  return found


@pytest.mark.parametrize('path', FILES)
def test_nothing_that_is_read_is_executed_and_nothing_listens(path):
  assert faults((ROOT / path).read_text(), path) == []


@pytest.mark.parametrize('source', [
    'import pickle', 'from pickle import load', 'import runpy', 'import numpy as np\nnp.load(path)', 'np.load(path, allow_pickle=True)',
    'np.load(path, allow_pickle=flag)', 'read_array(file, allow_pickle=True)', 'eval(text)', 'import http.server', 'server.listen(1)',
    "run('tensorboard --bind_all')", "serve('0.0.0.0')"])
def test_what_would_is_found(source):
  assert faults(source)


def test_the_sources_are_there_and_what_is_harmless_is_not_found():
  assert len(FILES) > 80 and RUNS_CONFIGS in FILES and LIMITS_PIPES in FILES
  assert faults('import json\nnp.load(path, allow_pickle=False)') == []


def test_the_readme_says_that_configs_are_code_and_tensorboard_stays_on_this_machine():
  text = (ROOT / 'README.md').read_text()
  assert 'Configs are Python files, and their code is executed' in text
  assert '--bind_all' not in re.sub(r'`--bind_all`', '', text) and 'tensorboard --logdir=runs' in text
