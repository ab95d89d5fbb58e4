"""What must work on every Python, without pygame and labmaze.

Imports, a smoke run of each algorithm, an export, and frames: CI runs this on the oldest and the
newest Python that it finds, and the whole suite on one. TF-Agents asks for pygame, dm_control for
labmaze, which are needed nowhere but where Gymnasium draws its classic tasks.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from mbrl_tf.algorithms import catalog

_ROOT = pathlib.Path(__file__).parent.parent
# The smoke configs in little, and one iteration of them.
_LITTLE = {
    'mbmpo': [
        '--config.run.env_steps=600', '--config.ensemble.max_epochs=3',
        '--config.ensemble.persistence=1', '--config.imagination.horizon=3',
        '--config.meta.updates_per_iteration=2', '--config.meta.outer_epochs=1'],
    'dreamer': [
        '--config.run.env_steps=300', '--config.collect.random_env_steps=100',
        '--config.replay.batch_size=2', '--config.replay.batch_length=3',
        '--config.behavior.horizon=2', '--config.learner.first_gradient_steps=2',
        '--config.learner.env_steps_per_gradient_step=50'],
    'pets': [
        '--config.run.env_steps=300', '--config.collect.random_env_steps=200',
        '--config.ensemble.max_epochs=3', '--config.ensemble.min_epochs=3',
        '--config.planner.horizon=3', '--config.planner.samples=8', '--config.planner.rounds=1'],
    'tdmpc2': [
        '--config.run.env_steps=300', '--config.collect.random_env_steps=100',
        '--config.replay.batch_size=4', '--config.model.units=8', '--config.model.latent=8',
        '--config.learner.updates_per_decision=0.02', '--config.replay.horizon=1',
        '--config.value.returns=1', '--config.policy.imagined_steps=1',
        '--config.planner.rounds=1']}
_USE_POLICY = '''
import json
import tensorflow as tf
action = tf.saved_model.load('exported/policy').signatures['action']
inputs = {name: tf.zeros([2, *spec.shape[1:]], spec.dtype)
          for name, spec in action.structured_input_signature[1].items()}
print(json.dumps(action(**inputs)['action'].shape.as_list()))
'''


def config(algorithm, name):
  return f'--config={_ROOT / "configs" / algorithm / name}.py'


@pytest.fixture(scope='module')
def call(tmp_path_factory):
  """Runs Python with these arguments in a folder; neither module is there for it or its workers."""
  blocked = tmp_path_factory.mktemp('blocked')
  for name in ('pygame', 'labmaze'):
    (blocked / f'{name}.py').write_text(f'raise ModuleNotFoundError("No module named {name}")\n')
  environment = {**os.environ, 'PYTHONPATH': f'{blocked}{os.pathsep}{_ROOT}'}
  return lambda folder, *arguments: subprocess.run(
      [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def test_everything_is_imported_and_the_check_says_so(call, tmp_path):
  done = call(tmp_path, '-m', 'launchers.check_installation')
  assert done.returncode == 0, done.stdout + done.stderr
  assert 'mbrl_tf and all that it needs are here, and import.\n' in done.stdout
  assert 'tf-agents asks for typing-extensions==4.5.0' in done.stdout
  assert 'dm-control asks for labmaze' in done.stdout
  assert done.stdout.endswith('All versions are those that were tested.\n')


@pytest.mark.parametrize('algorithm', catalog.names())
def test_each_algorithm_learns_and_one_is_evaluated_and_exported(call, tmp_path, algorithm):
  launches = [['train', config(algorithm, 'smoke'), *_LITTLE.get(algorithm, [])]]
  # What follows is made of the same parts in each, and Dreamer's policy has most of them.
  if algorithm == 'dreamer':
    launches += [['evaluate', '--episodes=1', '--video'], ['export', '--export_dir=exported']]
  for launcher, *arguments in launches:
    done = call(tmp_path, '-m', f'launchers.{launcher}', '--run_dir=run', *arguments)
    assert done.returncode == 0, done.stderr
    assert 'Warning' not in done.stderr
  if algorithm == 'dreamer':
    done = call(tmp_path, '-c', _USE_POLICY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [2, 2]


@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('name', ['dmc:cartpole_balance', 'gym:InvertedPendulum-v5'])
def test_mujoco_draws_what_is_learned_from(call, tmp_path, name):
  done = call(
      tmp_path, '-m', 'launchers.train', config('dreamer', 'smoke'), *_LITTLE['dreamer'],
      '--run_dir=run', f'--config.environment.name={name}', '--config.environment.time_limit=20',
      '--config.run.env_steps=150')
  assert done.returncode == 0, done.stderr
  assert 'MuJoCo renders with MUJOCO_GL=' in done.stderr and 'Finished' in done.stderr


def test_a_task_that_pygame_draws_says_that_it_is_missing(call, tmp_path):
  done = call(tmp_path, '-m', 'launchers.train', config('mbmpo', 'pendulum'), '--run_dir=run',
              '--config.run.evaluate_videos=true')
  observed, error = done.stderr.splitlines()
  assert done.returncode == 2 and 'observes 3 numbers' in observed
  assert 'needs a package that is not installed (pygame is not installed' in error
  assert done.stderr.endswith("Received: environment.name='gym:Pendulum-v1'\n")
