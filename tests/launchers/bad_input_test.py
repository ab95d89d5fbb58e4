"""A table of mistakes: each ends in one clear error that names what was received, and in no loss of files."""

import hashlib
import json
import pathlib
import shutil
import sys

from absl import flags
from absl.testing import flagsaver
import numpy as np
import pytest

from launchers import (benchmark, command, evaluate, export, export_episodes, import_episodes,
                       inspect_model, plot, train)
from mbrl_tf.training import run_directory

_HERE = pathlib.Path(__file__).parent
CONFIGS = {'mbmpo': _HERE / 'point_mass_config.py', **{name: _HERE.parent.parent / 'configs' / name / 'smoke.py' for name in ('dreamer', 'pets', 'tdmpc2')}}
_CSV = _HERE.parent.parent / 'results' / 'published.csv'
_LAUNCHERS = {
    'train': (train, ('config', 'run_dir', 'seed')), 'evaluate': (evaluate, ('run_dir', 'best', 'episodes', 'seed', 'video')),
    'export': (export, ('run_dir', 'export_dir', 'best')), 'plot': (plot, ('run_dirs', 'out', 'metric', 'published', 'published_env', 'beside')),
    'inspect': (inspect_model, ('run_dir', 'best', 'out', 'episodes', 'horizon', 'seed')),
    'benchmark': (benchmark, ('what', 'config', 'repeats', 'seed')),
    'export_episodes': (export_episodes, ('run_dir', 'to')),
    'import_episodes': (import_episodes, ('config', 'run_dir', 'from', 'seed'))}
_USER = 'tests.environments.user_environments:'


def launch(launcher, *arguments):
  """Runs a launcher as its command line does, in this process; returns the exit status."""
  module, names = _LAUNCHERS[launcher]
  with flagsaver.flagsaver(), pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
    flags.FLAGS.unparse_flags()
    patch.setattr(sys, 'argv', ['launcher', *arguments])
    patch.delitem(sys.modules, 'config_config', raising=False)  # config_flags would execute a config in the module of the one before
    command.run(module.main, module.__doc__, names)
    sys.exit(0)
  return ended.value.code


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A run directory with two checkpoints and two evaluations."""
  path = tmp_path_factory.mktemp('trained') / 'run'
  assert launch('train', f'--config={CONFIGS["mbmpo"]}', f'--run_dir={path}') == 0
  return path


def contents(folder):
  """The checksum of each file below a folder but the lock, which names its last owner."""
  return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in pathlib.Path(folder).rglob('*')
          if path.is_file() and path.name != 'lock'}


def require_one_error(said, status, expected, parts, tracebacks=0):
  assert status == expected, said
  assert said.count('error: ') == 1 + tracebacks and said.count('Traceback') == tracebacks, said
  for part in parts:
    assert part in said, said


def field(assignment, *parts, config='mbmpo', status=2):
  return pytest.param('train', [f'--config={{{config}}}', f'--config.{assignment}', '--run_dir={tmp}/new'], status, parts, id=f'field {assignment}')


def environment(name, *parts, kwargs='{}', status=2, more=()):
  return pytest.param('train', ['--config={mbmpo}', f'--config.environment.name={name}', f'--config.environment.kwargs={kwargs}',
                                *more, '--run_dir={tmp}/new'], status, parts, id=f'environment {name} {kwargs}')


def flag(launcher, *arguments_and_parts, status=2):
  """A command line up to None, and what its error holds."""
  cut = arguments_and_parts.index(None)
  arguments, parts = arguments_and_parts[:cut], arguments_and_parts[cut + 1:]
  return pytest.param(launcher, list(arguments), status, parts, id=f'{launcher} {" ".join(arguments)}')


LIMIT = '--config.environment.time_limit=5'
FIELDS = [
    field('run.env_steps=0', 'run.env_steps=0'), field('run.env_steps=-5', 'run.env_steps=-5'), field('run.env_steps=x', "'x'"),
    field('run.env_steps=1.5', '1.5'), field('run.seed=-1', 'run.seed=-1'), field('run.evaluate_episodes=0', 'run.evaluate_episodes=0'),
    field('run.seed=4294967296', 'below 4294967296', 'run.seed=4294967296'), field('run=3', '--config.run=3'),
    field('environment.worker_timeout_seconds=0', 'worker_timeout_seconds=0.0'), field('environment.worker_timeout_seconds=nan', 'worker_timeout_seconds=nan'),
    field('ensemble.hidden_sizes=(8.5,)', 'a tuple of whole numbers', 'ensemble.hidden_sizes=(8.5,)'), field('ensemble.hidden_sizes=', "('',)"),
    field('environment.time_limit=99999999999999999999', 'a trillion', 'environment.time_limit=99999999999999999999'),
    field('run.devices=tpu', "run.devices='tpu'"), field('run.devices=cpu:0', "run.devices='cpu:0'"),
    field('run.devices=gpu:99', 'GPUs on this host', "run.devices='gpu:99'"),
    field('run.keep_checkpoints=0', 'run.keep_checkpoints=0'), field('run.evaluate_every_env_steps=-1', 'run.evaluate_every_env_steps=-1'),
    field('run.checkpoint_every_env_steps=-1', 'run.checkpoint_every_env_steps=-1'), field('run.evaluate_videos=perhaps', 'perhaps'),
    field('environment.name=', "environment.name=''"), field('environment.kwargs=x', 'expected a JSON object'),
    field('environment.kwargs=[1]', 'expected a JSON object'), field('environment.parallel=threads', "environment.parallel='threads'"),
    field('environment.observation=sound', "environment.observation='sound'"), field('environment.image_size=0', 'environment.image_size=0'),
    field('environment.camera=-2', 'environment.camera=-2'), field('environment.camera=1', 'camera=1'),
    field('environment.num_envs=0', 'environment.num_envs=0'), field('environment.num_envs=3', 'multiple of ensemble.members=2', 'num_envs=3'),
    field('environment.time_limit=-1', 'environment.time_limit=-1'), field('environment.action_repeat=-1', 'environment.action_repeat=-1'),
    field('environment.observation=pixels', 'not of images', 'images='), field('ensemble.members=0', 'ensemble.members=0'),
    field('ensemble.hidden_sizes=(0,)', 'ensemble.hidden_sizes=(0,)'), field('ensemble.activation=sigmoid', "ensemble.activation='sigmoid'"),
    field('ensemble.validation_fraction=1', 'ensemble.validation_fraction=1'), field('ensemble.learning_rate=nan', 'ensemble.learning_rate=nan'),
    field('ensemble.learning_rate=inf', 'above 0 and finite', 'ensemble.learning_rate=inf'), field('ensemble.persistence=2', 'ensemble.persistence=2'),
    field('ensemble.angles=(-1,)', 'ensemble.angles=(-1,)'), field('ensemble.angles=(99,)', 'ensemble.angles=(99,)'),
    field('collect.growth=inf', 'finite', 'collect.growth=inf'), field('algorithm=dreamer', 'MBMPOConfig', "algorithm='dreamer'"),
    field('ensemble.hidden_sizes=(1000000,1000000)', 'not enough memory', status=1),
    field('collect.capacity=1', 'collect.capacity must be 2 or more', 'collect.capacity=1'),
    field('imagination.discount=1.5', 'imagination.discount=1.5'), field('imagination.discount=nan', 'imagination.discount=nan'),
    field('meta.inner_lr=0', 'meta.inner_lr=0'), field('meta.kl_coefficient_max=0', 'meta.kl_coefficient_max=0'),
    field('meta.iner_lr=1', 'Nearest: meta.inner_lr'), field('replay.batch_size=1', 'no such field'), field('algorithm=mbmpoo', "'mbmpoo'"),
    field('replay.batch_length=1', 'replay.batch_length=1', config='dreamer'), field('learner.precision=float8', "'float8'", config='dreamer'),
    field('behavior.start_states=1000000', 'behavior.start_states=1000000', config='dreamer'),
    field('model.free_nats=-1', 'model.free_nats=-1', config='dreamer'), field('replay.cache_mib=0', 'replay.cache_mib=0', config='dreamer'),
    *(field(assignment, *parts, assignment.split('=')[0] + '=', config='tdmpc2') for assignment, *parts in (
        ('model.latent=12', 'a multiple of 8'), ('model.bins=2', 'must be 3 or more'), ('replay.horizon=0', 'must be 1 or more'),
        ('value.steps=3', 'their sum is at most 4'), ('value.discount_max=1', 'below 1'), ('value.slow_rate=1.5', 'between 0 and 1'),
        ('policy.log_std_max=-20', 'above policy.log_std_min'), ('policy.target_entropy=nan', 'must be finite'), ('policy.sequence_stride=3', 'must divide the 64'),
        ('planner.elites=65', 'planner.samples at most'), ('planner.max_std=0.01', 'not be below planner.min_std'),
        ('collect.random_holds=(0,)', 'each 1 or more'), ('learner.updates_per_decision=0', 'above 0'))),
    *(field(assignment, *parts, assignment.split('=')[0] + '=', config='pets') for assignment, *parts in (
        ('planner.particles=3', 'a multiple of ensemble.members=2'), ('planner.propagation=ts2', "'tsinf' or 'ts1'"),
        ('planner.elites=65', 'planner.samples=64 at most'), ('planner.momentum=1', 'below 1'))),
    pytest.param('train', ['--config={tdmpc2}', '--config.environment.observation=pixels', '--config.environment.image_size=7',
                           '--run_dir={tmp}/new'], 2, ['8 pixels high and wide', 'shape=(7, 7, 3)'], id='images too small')]
ENVIRONMENTS = [
    environment('gym:Nope-v0', 'gym:MODULE:ID', "'gym:Nope-v0'"), environment('gym:', "'gym:'"), environment('dmc:walker_fly', 'dmc:walker_', "'dmc:walker_fly'"),
    environment('toy:point_mas', 'toy:point_mass', "'toy:point_mas'"), environment('pendulum', "'pendulum'"),
    environment('no.such.module:factory', "'no.such.module:factory'"), environment(':factory', "':factory'"),
    environment('.relative:factory', "'.relative:factory'"), environment(_USER + 'nope', f"'{_USER}nope'"),
    environment(_USER + 'not_an_environment', 'a string'), environment('gym:CartPole-v99', 'gym:CartPole-v1', "'gym:CartPole-v99'"), environment('dmc:', "'dmc:'"), environment('os:sep', "'os:sep'"),
    environment('os:getcwd', 'must return a gymnasium.Env'), environment('a:b:c', "'a:b:c'"),
    environment('broken_module:Anything', 'SyntaxError', "'broken_module:Anything'"),
    environment('raising_module:Anything', 'no licence', "'raising_module:Anything'"),
    environment(_USER + 'PlainText', 'Text', more=[LIMIT]), environment(_USER + 'Unbounded', 'finite bounds', more=[LIMIT]),
    environment('gym:no.such.module:Nope-v0', 'cannot be found', "'gym:no.such.module:Nope-v0'"),
    environment('gym:json:Nope-v0', 'Importing json registers no', "'gym:json:Nope-v0'"),
    environment(_USER + 'misnamed', 'no_such_function', more=[LIMIT]),
    environment('gym:LunarLander-v3', 'a package that is not installed', 'LunarLander-v3'),
    environment('toy:point_mass', "{'wind': 2}", kwargs='{"wind": 2}'), environment('gym:Pendulum-v1', "{'wind': 2}", kwargs='{"wind": 2}'),
    environment('gym:HalfCheetah-v5', "{'wind': 2}", kwargs='{"wind": 2}'), environment(_USER + 'scripted', "'wind'", kwargs='{"wind": 2}'),
    environment(_USER + 'scripted', 'a finite reward', 'reward=nan', kwargs='{"fail_at": 2, "failure": "nan_reward"}', status=1),
    environment(_USER + 'scripted', 'finite numbers', kwargs='{"fail_at": 2, "failure": "nan_observation"}', status=1),
    environment(_USER + 'scripted', 'float64[3]', kwargs='{"fail_at": 2, "failure": "shape"}', status=1)]
FLAGS = [
    flag('train', None, 'A run needs a config'), flag('train', '--config=/nowhere.py', None, '/nowhere.py'), flag('train', '--config={tmp}', None, '{tmp}'),
    flag('train', '--config=configs/dreamer/vector.py', None, 'Nearest of those that come with mbrl_tf: dreamer/vectors', 'configs/dreamer/vector.py'),
    flag('train', '--config=configs/dreamer/vector.py', '--config.run.seed=1', None,
         'Nearest of those that come with mbrl_tf: dreamer/vectors', 'configs/dreamer/vector.py'),
    flag('train', '--config=tdmpc2/vector', '--config.environment.name=dmc:walker_walk', None,
         'no config of this name. Nearest: tdmpc2/vectors', "'tdmpc2/vector'"),
    flag('train', '--config={tmp}/syntax.py', None, 'syntax.py'), flag('train', '--config={tmp}/empty.py', None, 'it has no function get_config'),
    flag('train', '--config={tmp}/raises.py', None, '(ValueError: my own mistake, in line 1 of raises.py)'),
    flag('train', '--config={tmp}/inside.py', None, "(KeyError: 'horizon', in line 2 of inside.py)"),
    flag('train', '--config={tmp}/typed.py', None, "config.ensemble.members must be a whole number. Received: ensemble.members='three'"),
    flag('train', '--config={mbmpo}:extra', None, 'get_config() takes 0 positional arguments', 'point_mass_config.py:extra'),
    flag('train', '--config=', None, 'an empty string'), flag('train', '--config', None, 'Missing value for flag --config'),
    flag('train', '--config={mbmpo}', '--config.run.seed', None, '--config.run.seed'), flag('train', '--flagfile=/nowhere', None, '/nowhere'), flag('train', '--config={tmp}/other.py', None, "get_config() must return", '3'),
    flag('train', '--config={tmp}/binary.py', None, 'binary.py'), flag('train', '--config={tmp}/syntax.py', '--config.run.seed=1', None, 'syntax.py'),
    flag('train', '--config={mbmpo}', '--seed=-1', None, '-1'), flag('train', '--config={mbmpo}', '--seed=x', None, 'x'),
    flag('train', '--config={mbmpo}', '--seed=4294967296', None, '--seed=4294967296', '[0, 4294967295]'),
    flag('train', '--config={mbmpo}', 'word', None, 'Received: word'), flag('train', '--config={mbmpo}', '--rundir=x', None, 'rundir'),
    flag('train', '--config={mbmpo}', '--best', '--run_dir={tmp}/new', None, 'does not take --best'), flag('train', '--config.run.seed=1', None, 'only together'),
    flag('train', '--run_dir={tmp}/nowhere', None, 'There is no run here', '{tmp}/nowhere'), flag('evaluate', None, 'Give --run_dir=DIR'), flag('evaluate', '--run_dir=', None, "run_dir=''"),
    flag('evaluate', '--run_dir={tmp}/nowhere', None, 'There is no run here', '{tmp}/nowhere'), flag('evaluate', '--run_dir={mbmpo}', None, 'There is no run here'),
    flag('evaluate', '--run_dir={run}', '--episodes=0', None, 'episodes'), flag('evaluate', '--run_dir={run}', '--episodes=x', None, 'episodes'),
    flag('evaluate', '--run_dir={run}', '--seed=-1', None, 'seed'), flag('export', '--run_dir={run}', None, '--export_dir=DIR is needed'),
    flag('export', '--export_dir={tmp}/new', None, '--run_dir=DIR is needed'), flag('export', '--run_dir={run}', '--export_dir={full}', None, 'not overwritten', '{full}'),
    flag('export', '--run_dir={run}', '--export_dir={mbmpo}', None, 'not overwritten', '{mbmpo}'),
    flag('export', '--run_dir={run}', '--export_dir={run}', None, 'not overwritten', '{run}'),
    flag('export', '--run_dir={run}', '--export_dir={mbmpo}/below', None, 'Not a directory', '{mbmpo}/below'),
    flag('export', '--run_dir={run}', '--export_dir=', None, "export_dir=''"), flag('export', '--run_dir={run}', '--export_dir=/', None, 'not overwritten', "'/'"),
    flag('export', '--run_dir={run}', '--export_dir=.', None, 'not overwritten', "'{tmp}'"),
    flag('export', '--run_dir={run}', '--export_dir={full}/nothing/..', None, 'not overwritten', "'{full}'"),
    flag('export', '--run_dir={run}', '--export_dir=/proc/exported', None, '/proc/exported'),
    flag('export', '--run_dir={run}', '--export_dir={tmp}/' + 'x' * 300, None, 'File name too long'),
    *(flag('export_episodes', '--run_dir={run}', '--to={tmp}/' + 'x' * length, None,
           'File name too long') for length in (300, 250)),
    flag('plot', '--run_dirs={run}', '--out={tmp}/' + 'x' * 300, None, 'File name too long'),
    flag('inspect', '--run_dir={run}', '--out={tmp}/' + 'x' * 300, None, 'File name too long'),
    flag('plot', None, '--run_dirs is needed'), flag('plot', '--run_dirs={run}', None, '--out is needed'),
    flag('plot', '--run_dirs={tmp}/no-*', '--out={tmp}/x', None, 'no such folder', '{tmp}/no-*'),
    flag('plot', '--run_dirs={tmp}', '--out={tmp}/x', None, 'There is no run here', '{tmp}'), flag('plot', '--run_dirs={run},{twin}', '--out={tmp}/x', None, 'seeds=[0, 0]'),
    flag('plot', '--run_dirs={run}', '--out={tmp}/x', '--metric=collect/retrun', None, 'collect/return_mean', "metric='collect/retrun'"),
    flag('plot', '--run_dirs={run}', '--out={tmp}/x', '--published=/nowhere.csv', None, '/nowhere.csv'),
    flag('plot', '--run_dirs={run}', '--out={tmp}/x', '--beside=/nowhere.csv', None, "beside='/nowhere.csv'"),
    flag('plot', '--run_dirs={run}', '--out={tmp}/x', '--beside={csv}', None, "KeyError('mean')", "beside='{csv}'"),
    flag('plot', '--run_dirs={run}', '--out={tmp}/x', '--published={mbmpo}', None, 'columns env_steps and return_mean'),
    flag('plot', '--run_dirs={run}', '--out={mbmpo}/x', None, 'File exists: {mbmpo}', '{mbmpo}/x'),
    flag('plot', '--run_dirs={run}', '--out=/', None, "out='/'"), flag('plot', '--run_dirs={run}', '--out=.', None, "out='.'"),
    flag('plot', '--run_dirs={run}', '--out={tmp}/..', None, "out='{tmp}/..'"), flag('plot', '--run_dirs=,', '--out={tmp}/x', None, "run_dirs=''"),
    flag('plot', '--run_dirs={run}', '--out={tmp}/x', '--published={csv}', '--published_env=Nope', None, 'HalfCheetah, Hopper', "published_env='Nope'"), flag('plot', '--run_dirs={run}', '--out=/proc/x', None, '/proc/x'),
    flag('inspect', None, 'Give --run_dir=DIR'), flag('inspect', '--run_dir={tmp}/nowhere', None, 'There is no run here', '{tmp}/nowhere'),
    flag('inspect', '--run_dir={run}', '--horizon=0', None, 'horizon'), flag('inspect', '--run_dir={run}', '--episodes=0', None, 'episodes'),
    flag('inspect', '--run_dir={run}', '--out=', None, "out=''"), flag('inspect', '--run_dir={run}', '--out={full}', None, 'not replaced', "out='{full}'"),
    flag('inspect', '--run_dir={run}', '--out={run}', None, 'not replaced', "out='{run}'"),
    flag('inspect', '--run_dir={run}', '--out={mbmpo}', None, 'not replaced', "out='{mbmpo}'"),
    flag('inspect', '--run_dir={run}', '--out={mbmpo}/below', None, '{mbmpo}/below'),
    flag('plot', '--run_dirs={run}', '--episodes=3', '--out={tmp}/x', None, 'does not take --episodes'),
    flag('benchmark', '--what=nothing', None, 'nothing'), flag('benchmark', '--repeats=0', None, 'repeats'),
    flag('benchmark', '--what=gradient_step', '--config={mbmpo}', None, "what='gradient_step'"), flag('benchmark', '--config=/nowhere.py', None, '/nowhere.py')]


@pytest.mark.parametrize('launcher, arguments, status, parts', [*FIELDS, *ENVIRONMENTS, *FLAGS])
def test_a_mistake_is_one_error_and_costs_nothing(launcher, arguments, status, parts, trained, tmp_path, capsys, monkeypatch):
  for name, text in (('syntax.py', 'def get_config(:'), ('empty.py', 'x = 1'), ('raises.py', 'raise ValueError("my own mistake")'),
                     ('other.py', 'get_config = lambda: 3'), ('broken_module.py', 'def Anything(:'),
                     ('raising_module.py', 'raise OSError("no licence")'), ('inside.py', 'def get_config():\n  return {}["horizon"]'),
                     ('typed.py', CONFIGS['mbmpo'].read_text().replace('ensemble.members = 2', 'ensemble.members = "three"'))):
    (tmp_path / name).write_text(text)
  (tmp_path / 'binary.py').write_bytes(bytes(range(256)))
  (tmp_path / 'full').mkdir()
  (tmp_path / 'full' / 'thesis.txt').write_text('years of work')
  # Somebody kept it beside an export.
  (tmp_path / 'full' / 'export.json').write_text('{"algorithm": "mbmpo", "env_steps": 1, "config": {}}')
  shutil.copytree(trained, tmp_path / 'run')
  shutil.copytree(trained, tmp_path / 'twin')
  monkeypatch.syspath_prepend(str(tmp_path))
  monkeypatch.chdir(tmp_path)
  places = {**CONFIGS, 'csv': _CSV, 'tmp': tmp_path, **{name: tmp_path / name for name in ('run', 'twin', 'full')}}
  filled = lambda text: text if '{"' in text or text.endswith('{}') else text.format(**places)
  before = contents(tmp_path)
  found = launch(launcher, *map(filled, arguments))
  said = capsys.readouterr()
  require_one_error(said.err, found, status, [part if part.startswith('{\'') else filled(part) for part in parts])
  assert said.out == ''
  after = contents(tmp_path)
  assert {path: after.get(path) for path in before} == before
  assert not list(tmp_path.rglob('*partial*'))


def edit(path, **changes):
  """Changes `config.json`: values of the stored config, or with `whole` all of it."""
  file = path / 'config.json'
  content = changes.get('whole', json.loads(file.read_text()))
  for name, value in changes.items():
    if name != 'whole':
      part, _, key = name.partition('__')
      content['config'].update({part: {**content['config'][part], key: value} if key else value})
  file.write_text(content if isinstance(content, str) else json.dumps(content))


def in_the_way(name):
  """Puts a file where a folder belongs, or the other way round."""
  def spoil(path):
    spoiled = path / name
    if spoiled.is_dir():
      spoiled.rename(path / 'moved')
      spoiled.write_text('a file')
    else:
      spoiled.unlink()
      spoiled.mkdir()
  return spoil


def damage(pattern, change):
  def spoil(path):
    found = list(path.glob(pattern))
    assert found
    for file in found:
      file.write_bytes(change(file.read_bytes()))
  return spoil


def other_algorithm(path):
  dreamer = run_directory.config_to_dict(__import__('configs.dreamer.smoke', fromlist=['x']).get_config())
  (path / 'config.json').write_text(json.dumps({'algorithm': 'dreamer', 'config': dreamer}))


def remove(pattern):
  def spoil(path):
    for file in path.glob(pattern):
      file.unlink()
  return spoil


def object_arrays(path):
  for file in (path / 'episodes').iterdir():
    with open(file, 'wb') as opened:
      np.savez(opened, observation=np.array([{}], object))


TRAIN = ['train', '--config={mbmpo}', '--config.run.env_steps=400', '--run_dir={run}']
RUNS = [
    (in_the_way('config.json'), TRAIN, 2, ['config.json cannot be read', 'run_dir=']),
    (in_the_way('episodes'), TRAIN, 2, ['a file is in its place', 'episodes']), (in_the_way('metrics.jsonl'), TRAIN, 2, ['metrics.jsonl']),
    (in_the_way('checkpoints'), TRAIN, 2, ['checkpoints']), (other_algorithm, TRAIN, 2, ["algorithm: 'dreamer' -> 'mbmpo'"]),
    (lambda path: edit(path, ensemble__hidden_sizes=[16]), TRAIN, 2, ['ensemble.hidden_sizes: [16] -> [8]']),
    (lambda path: edit(path, environment__name='toy:corridor'), TRAIN, 2, ["environment.name: 'toy:corridor' -> 'toy:point_mass'"]),
    (lambda path: edit(path, run__seed=7, meta__inner_lr=0.5), TRAIN, 2, ['run.seed: 7 -> 0', 'meta.inner_lr: 0.5 -> 0.001']),
    (lambda path: edit(path, ensemble__no_such=7), TRAIN, 2, ["'no_such'", '/run/config.json']),
    (lambda path: edit(path, whole='{"config": {"al'), TRAIN, 2, ['config.json cannot be read']),
    (lambda path: edit(path, whole='[1, 2]'), TRAIN, 2, ['not as a run wrote it']),
    (lambda path: edit(path, whole='{"config": 3}'), TRAIN, 2, ['not as a run wrote it']),
    (lambda path: edit(path, whole=''), ['train', '--run_dir={run}'], 2, ['config.json cannot be read']),
    (lambda path: edit(path, algorithm='ppo'), ['train', '--run_dir={run}'], 2, ["algorithm='ppo'"]),
    (lambda path: edit(path, algorithm=['ppo']), ['train', '--run_dir={run}'], 2, ["algorithm=['ppo']"]),
    (lambda path: edit(path, ensemble=3), ['train', '--run_dir={run}'], 2, ['ensemble=3', '/run/config.json']),
    (lambda path: edit(path, ensemble__members='three'), ['train', '--run_dir={run}'], 2, ["'three'", '/run/config.json']),
    (lambda path: edit(path, ensemble__members=2.5), ['evaluate', '--run_dir={run}'], 2, ['a whole number', 'members=2.5', '/run/config.json']),
    (lambda path: edit(path, run__evaluate_videos=1), ['evaluate', '--run_dir={run}'], 2, ['True or False', 'evaluate_videos=1']),
    (lambda path: edit(path, environment__kwargs=[1]), ['evaluate', '--run_dir={run}'], 2, ['a dict', 'environment.kwargs=']),
    (lambda path: edit(path, environment__name=None), ['export', '--run_dir={run}', '--export_dir={tmp}/new'], 2, ['must be text', 'name=None']),
    (lambda path: edit(path, whole='{"config": {"algorithm": "mbmpo"}}'), ['plot', '--run_dirs={run}', '--out={tmp}/x'], 2, ['the seed', '/run/config.json']),
    (lambda path: edit(path, whole='{"config": {"a": {"$float": null}}}'), ['evaluate', '--run_dir={run}'], 2, ['config.json cannot be read']),
    (damage('config.json', lambda content: b'\xff\xfe' + content), ['evaluate', '--run_dir={run}'], 2, ['config.json cannot be read', 'utf-8']),
    (in_the_way('lock'), ['train', '--run_dir={run}'], 2, ['lock', 'run_dir=']),
    (lambda path: edit(path, ensemble__hidden_sizes=['wide']), ['train', '--run_dir={run}'], 2, ["'wide'"]),
    (lambda path: edit(path, ensemble__hidden_sizes=[16]), ['evaluate', '--run_dir={run}'], 2, ['does not fit', 'checkpoint-200']),
    (damage('checkpoints/*.index', lambda content: content[:40]), TRAIN, 2, ['No checkpoint of this run can be read', 'checkpoints']),
    (damage('checkpoints/*.data*', lambda content: b''), TRAIN, 2, ['No checkpoint of this run can be read']),
    (damage('checkpoints/*.data*', lambda content: b''), ['evaluate', '--run_dir={run}'], 2, ['No checkpoint of this run can be read']),
    (damage('checkpoints/*.sha256', lambda content: b''), ['export', '--run_dir={run}', '--export_dir={tmp}/new'], 2, ['No checkpoint of this run']),
    (damage('checkpoints/*.sha256', lambda content: b'\xff'), ['evaluate', '--run_dir={run}'], 2, ['No checkpoint of this run']),
    (remove('checkpoints/*.data*'), TRAIN, 2, ['No checkpoint of this run can be read']),
    (remove('checkpoints/*.index'), TRAIN, 2, ['No checkpoint of this run can be read']),
    (remove('checkpoints/*.sha256'), TRAIN, 2, ['checkpoints are gone']), (remove('checkpoints/*.sha256'), ['evaluate', '--run_dir={run}'], 2, ['no checkpoint yet']),
    (remove('checkpoints/*'), TRAIN, 2, ['checkpoints are gone', 'run_dir=']), (remove('checkpoints/*'), ['evaluate', '--run_dir={run}'], 2, ['no checkpoint yet']),
    (remove('checkpoints/*'), ['export', '--run_dir={run}', '--export_dir={tmp}/new'], 2, ['no checkpoint yet']),
    (remove('metrics.jsonl'), ['evaluate', '--run_dir={run}', '--best'], 2, ['none is the best', 'run_dir=']),
    (remove('metrics.jsonl'), ['plot', '--run_dirs={run}', '--out={tmp}/x'], 2, ['no metrics yet']),
    (damage('metrics.jsonl', lambda content: b'\xff\xfe\n'), ['plot', '--run_dirs={run}', '--out={tmp}/x'], 2, ['no metrics yet']),
    (damage('metrics.jsonl', lambda content: b'3\n[1]\n{"collect/return_mean": 1}\n'), ['plot', '--run_dirs={run}', '--out={tmp}/x'], 2, ['no metrics yet']),
    (damage('metrics.jsonl', lambda content: b'{"env_steps": 3, "collect/return_mean": "high"}\n'), ['plot', '--run_dirs={run}', '--out={tmp}/x'], 2,
     ["metric='collect/return_mean'"]),
    (in_the_way('metrics.jsonl'), ['plot', '--run_dirs={run}', '--out={tmp}/x'], 2, ['cannot be read (Is a directory)', 'metrics.jsonl']),
    (damage('metrics.jsonl', lambda content: b'{"env_steps": Infinity, "evaluate/return_mean": 1}\n'), ['evaluate', '--run_dir={run}', '--best'], 2,
     ['none is the best']),
    (damage('metrics.jsonl', lambda content: b'3\n[1]\n"x"\n\xff\n'), ['evaluate', '--run_dir={run}', '--best'], 2, ['none is the best']),
    (lambda path: edit(path, whole='{}'), ['plot', '--run_dirs={run}', '--out={tmp}/x'], 2, ['not as a run wrote it']),
    (damage('episodes/*', lambda content: content[:100]), TRAIN, 2, ['None of the stored episodes can be read', 'episodes']),
    (remove('episodes/*'), TRAIN, 2, ['None of the stored episodes can be read', 'episodes']),
    (lambda path: [file.rename(path / 'episodes' / file.name.replace('-50.', '-49.')) for file in sorted((path / 'episodes').iterdir())], TRAIN, 2,
     ['None of the stored episodes can be read', 'episodes']),
    (remove('checkpoints/*'), ['inspect', '--run_dir={run}', '--out={tmp}/new'], 2, ['no checkpoint yet']),
    (damage('episodes/*', lambda content: content[:100]), ['inspect', '--run_dir={run}'], 2, ['no episodes that can be read', 'episodes=']),
    (object_arrays, TRAIN, 2, ['None of the stored episodes can be read', 'episodes'])]


@pytest.mark.filterwarnings('ignore:Skipped a')
@pytest.mark.parametrize('spoil, arguments, status, parts', RUNS, ids=range(len(RUNS)))
def test_a_run_directory_that_cannot_be_used_is_left_as_it_is(spoil, arguments, status, parts, trained, tmp_path, capsys):
  run = tmp_path / 'run'
  shutil.copytree(trained, run)
  spoil(run)
  before, spoiled_config = contents(tmp_path), stored_config(run)
  found = launch(*(argument.format(run=run, tmp=tmp_path, **CONFIGS) for argument in arguments))
  said = capsys.readouterr()
  require_one_error(said.err, found, status, parts)
  assert said.out == ''
  after = contents(tmp_path)
  assert [path.name for path in before if after.get(path) != before[path]] in ([], ['config.json'])
  if spoiled_config != (config := stored_config(run)):  # it went as far as to note the wanted steps
    assert {**spoiled_config, 'run': None} == {**config, 'run': None} and config['run'] == {**spoiled_config['run'], 'env_steps': 400}


def stored_config(run):
  """The config in a run directory, None where it cannot be read."""
  try:
    return json.loads((run / 'config.json').read_text())['config']
  except (OSError, ValueError, TypeError, KeyError):
    return None


@pytest.mark.parametrize('path', ['{config}', '{config}/below', '/proc/run', '/dev/null', '{tmp}/' + 'x' * 300])
def test_no_run_directory_can_be_there(path, tmp_path, capsys):
  status = launch('train', f'--config={CONFIGS["mbmpo"]}', f'--run_dir={path.format(tmp=tmp_path, config=CONFIGS["mbmpo"])}')
  require_one_error(capsys.readouterr().err, status, 2, ['The run directory cannot be written', 'run_dir='])


@pytest.mark.parametrize('text', [
    'two hosts', '[1]', '{"cluster": {"worker": ["a:1", "b:1"]}}', '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
    '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "ps", "index": 0}}'])
def test_a_cluster_that_cannot_be_understood(text, tmp_path, capsys, monkeypatch):
  monkeypatch.setenv('TF_CONFIG', text)
  status = launch('train', f'--config={CONFIGS["mbmpo"]}', f'--run_dir={tmp_path / "run"}')
  require_one_error(capsys.readouterr().err, status, 2, ['TF_CONFIG must be JSON such as', f'Received: TF_CONFIG={text!r}'])
  assert not (tmp_path / 'run').exists()


def test_a_run_directory_in_use_is_refused(trained, capsys):
  with run_directory.RunDirectory(trained):
    status = launch('train', f'--run_dir={trained}')
  require_one_error(capsys.readouterr().err, status, 2, ['Another process trains in this run directory (process ', f"run_dir='{trained}'"])


def test_a_simulator_that_raises_is_told_with_its_own_traceback(tmp_path, capsys):
  status = launch('train', f'--config={CONFIGS["mbmpo"]}', f'--config.environment.name={_USER}scripted', f'--run_dir={tmp_path}',
                  '--config.environment.kwargs={"fail_at": 2, "failure": "raise"}')
  said = capsys.readouterr().err
  assert status == 1 and said.startswith('error: ') and said.count('Traceback') == 1 and 'RuntimeError: the gearbox broke' in said


def test_the_table_is_as_long_as_is_promised():
  cases = [*FIELDS, *ENVIRONMENTS, *FLAGS]
  assert len({(case.values[0], *case.values[1]) for case in cases}) == len(cases)  # none is tried twice
  assert len(cases) + len(RUNS) >= 180
