"""Kills training runs again and again, and holds what is left of them, and what becomes of them, to a run that was left alone.

  python -m tests.kills --kills=50 --folder=FOLDER      prints one JSON object; exit status 1 where anything was lost

Runs of all algorithms, on a toy in process and on MuJoCo tasks in worker processes, get SIGKILL, SIGTERM and SIGINT: at random
times, and just when a file appears that becomes an episode or a checkpoint; half of the signals go to the trainer alone, half to
all its processes. After each, whatever has its final name must be whole, nothing that a checkpoint counts may be gone or
changed, and no process may be left. The same command then goes on. In the end the run has the metrics, the episodes and, bit for
bit, the variables of the run that was never stopped, in its newest checkpoint and in its best one, and nothing half written; and
what `launchers.evaluate --best` says of both is the same.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from typing import Any, Dict, NamedTuple

import mbrl_tf  # noqa: F401
import numpy as np
import tensorflow as tf

from mbrl_tf.data import episodes
from tests import processes

_ROOT = pathlib.Path(__file__).parent.parent
_MBMPO = (f'--config={_ROOT / "tests" / "launchers" / "point_mass_config.py"}', '--config.run.evaluate_every_env_steps=300')
_DREAMER = (
    f'--config={_ROOT / "configs" / "dreamer" / "smoke.py"}', '--config.run.evaluate_every_env_steps=400',
    '--config.run.evaluate_episodes=1', '--config.run.evaluate_videos=false',
    '--config.collect.random_env_steps=100', '--config.collect.env_steps_per_iteration=100', '--config.replay.batch_size=2',
    '--config.replay.batch_length=5', '--config.model.image_depth=2', '--config.behavior.horizon=2',
    '--config.learner.first_gradient_steps=2', '--config.learner.env_steps_per_gradient_step=50')
_TDMPC2 = (
    f'--config={_ROOT / "configs" / "tdmpc2" / "smoke.py"}', '--config.run.evaluate_every_env_steps=400',
    '--config.run.evaluate_episodes=1', '--config.run.evaluate_videos=false', '--config.collect.random_env_steps=100',
    '--config.collect.env_steps_per_iteration=100', '--config.replay.batch_size=4', '--config.learner.updates_per_decision=0.05',
    '--config.planner.samples=8', '--config.planner.elites=4', '--config.planner.policy_samples=2')
_PETS = (
    f'--config={_ROOT / "configs" / "pets" / "smoke.py"}', '--config.run.evaluate_every_env_steps=400',
    '--config.run.evaluate_episodes=1', '--config.collect.random_env_steps=100',
    '--config.planner.samples=8', '--config.planner.rounds=1', '--config.planner.horizon=3')
_PENDULUM = (
    '--config.environment.name=gym:InvertedPendulum-v5', '--config.environment.time_limit=50',
    '--config.environment.parallel=processes')
CASES = {
    'mbmpo_mujoco_processes': (*_MBMPO, *_PENDULUM),
    'pets_mujoco_processes': (*_PETS, *_PENDULUM, '--config.run.checkpoint_every_env_steps=200'),
    'dreamer_toy': (*_DREAMER, '--config.run.checkpoint_every_env_steps=200'),
    'tdmpc2_toy': (*_TDMPC2, '--config.run.checkpoint_every_env_steps=200'),
    'pets_toy': (*_PETS, '--config.run.checkpoint_every_env_steps=200'),
    'mbmpo_toy': (*_MBMPO, '--config.run.checkpoint_every_env_steps=300'),
    'dreamer_mujoco_processes': (
        *_DREAMER, '--config.environment.name=gym:HalfCheetah-v5', '--config.environment.time_limit=50',
        '--config.environment.observation=vectors', '--config.environment.parallel=processes', '--config.collect.overlap=true')}
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
_MOMENTS = ('checkpoints', 'episodes', 'anytime')
_TIMED = ('seconds', 'collect/env_steps_per_second')
_FORGOTTEN = ('progress/seconds', '_CHECKPOINTABLE')  # of a checkpoint: what is timed, and TensorFlow's own graph of objects
_PATIENCE = 600  # seconds for anything that must come


class Remains(NamedTuple):
  """What is in a run directory whose trainer is gone."""
  checkpoint_env_steps: int     # of the newest checkpoint, 0 where there is none
  safe: Dict[str, str]          # file name to digest of each episode that this checkpoint counts
  lines: int                    # of metrics.jsonl, whole ones
  hit: str                      # what was half written


def campaign(name, kills, seed, folder, env_steps=2000) -> Dict[str, Any]:
  """Kills runs of one case, and lets each run end.

  Args:
    name: of `CASES`.
    kills: how many.
    seed: of moments and signals.
    folder: for the runs, `whole` and `killed-0` and so on; must not exist.
    env_steps: of a run, with a checkpoint after each 100 to 300.

  Returns:
    A dict of counts.

  Raises:
    AssertionError: where something was lost, was left behind, or differs from the run that was never stopped.
  """
  rng, told, folder = random.Random(f'{seed} {name}'), collections.Counter(), pathlib.Path(folder)
  arguments = (*CASES[name], f'--config.run.env_steps={env_steps}')
  begin = time.monotonic()
  _finish(arguments, folder / 'whole')
  seconds = time.monotonic() - begin
  whole = examine(folder / 'whole')
  assert len(whole.safe) > 10 and whole.lines > 5  # so that what follows says something
  done, number = 0, 0
  while done < kills:
    path, before = folder / f'killed-{number}', None
    while done < kills:
      ended = not _kill_once(arguments, path, _SIGNALS[done % len(_SIGNALS)], _MOMENTS[done % len(_MOMENTS)], seconds, rng, told)
      if ended:
        break
      remains = examine(path)
      check_kept(before, remains, told)
      told[f'hit {remains.hit}'] += 1
      told['resumes after learning'] += remains.checkpoint_env_steps > _lines(folder / 'whole')[0]['env_steps']
      before, done = remains, done + 1
      print(f'{name}: killed {done} times, {path.name} reached {remains.checkpoint_env_steps} env steps', file=sys.stderr, flush=True)
    if not ended:
      _finish(arguments, path)
    told['episodes compared with the whole run'] += _check_equal(folder / 'whole', path)
    told['runs that ended as if never stopped'] += 1
    number += 1
  return {'case': name, 'kills': done, **{key: told[key] for key in sorted(told)}}


def _kill_once(arguments, path, number, moment, seconds, rng, told) -> bool:
  """Starts or resumes a run, and sends one signal; returns False where the run ended before."""
  for folder in ('checkpoints', 'episodes'):
    (path / folder).mkdir(parents=True, exist_ok=True)  # to be watched
  lines = _whole_lines(path)
  process, log = _start(arguments, path)
  if moment == 'anytime':
    processes.wait(process, rng.uniform(0, 0.6 * seconds))  # less than all, for a resumed run is shorter
  else:
    # Three appear for each checkpoint: the folder where its data is written, its index, and its checksums.
    processes.await_files(process, path / moment, rng.randint(1, 9))
    time.sleep(rng.choice((0, 0, 0.001, 0.003)))
  to_all = rng.random() < 0.5
  if process.poll() is None:
    (os.killpg if to_all else os.kill)(process.pid, number)
  code = process.wait(_PATIENCE)
  told['worker processes seen to end with their trainer'] += processes.await_session_end(process.pid)
  said = log.read_text()
  if code == 0 and 'Finished' in said:
    return False
  _check_exit(path, number, code, said, lines)
  told[f'{number.name} {"to all processes" if to_all else "to the trainer"}'] += 1
  told[f'at {moment}'] += 1
  return True


def _check_exit(path, number, code, said, lines_before):
  """Asserts that a run ended as its signal says."""
  if number == signal.SIGKILL:
    assert code == -signal.SIGKILL, (code, said)
  elif code == 0:
    assert 'Stopped with a checkpoint' in said, said
    assert _last_env_steps(path) == _newest(path)[0], 'stopped on request, but not with a checkpoint'
  else:  # while it started, before the first iteration
    assert code in (-number, 1, 130), (code, said)
    assert 'Interrupted' in said or 'KeyboardInterrupt' in said or code == -number, said
    assert _whole_lines(path) <= lines_before, said
  assert 'Skipped' not in said and 'restarted' not in said, said


def examine(path) -> Remains:
  """Reads all that has its final name in a run directory, and raises where any of it is not whole."""
  if (path / 'config.json').exists():
    json.loads((path / 'config.json').read_text())
  store = episodes.EpisodeStore(path / 'episodes')
  for index in range(len(store)):
    store.load(index)
  for complete in (path / 'checkpoints').glob('*.sha256'):
    subprocess.run(['sha256sum', '--check', '--strict', '--quiet', complete.name], cwd=complete.parent, check=True)
    _variables(complete.with_suffix(''))
  env_steps, counted = _newest(path)
  names = sorted(file.name for file in store.folder.glob('*.npz'))
  assert [int(name.split('-')[0]) for name in names] == list(range(len(names)))
  assert len(names) >= counted, f'{counted} episodes are counted by the checkpoint at {env_steps}. Received: {names}'
  reported = [line['collect/episodes'] for line in _lines(path) if line['env_steps'] <= env_steps]
  assert sum(reported) == counted
  safe = {name: hashlib.sha256((store.folder / name).read_bytes()).hexdigest() for name in names[:counted]}
  folders = {name.split('/')[0] for name in half_written(path)}
  hit = next((what for folder, what in (('episodes', 'an episode'), ('checkpoints', 'a checkpoint')) if folder in folders), 'nothing')
  return Remains(env_steps, safe, _whole_lines(path), hit)


def check_kept(before, remains, told):
  """Asserts that a kill has taken nothing of what was safe before it."""
  if before is not None:
    assert remains.checkpoint_env_steps >= before.checkpoint_env_steps
    assert before.safe.items() <= remains.safe.items()
    told['safe episodes found unchanged after a kill'] += len(before.safe)


def half_written(path):
  """Returns the names of what belongs to no whole file or checkpoint: what a kill may leave, and a resume may not."""
  complete = {file.stem for file in (path / 'checkpoints').glob('*.sha256')}
  loose = [file for file in (path / 'checkpoints').glob('*') if file.name.split('.')[0] not in complete]
  return [str(file.relative_to(path)) for file in {*loose, *path.rglob('*.partial')}]


def _check_equal(whole, path):
  """Asserts that two runs that ended are the same; returns how many episodes were compared."""
  assert _records(path) == _records(whole)
  for which in (_newest_path, _best_path):
    variables, expected = (_variables(which(folder)) for folder in (path, whole))
    assert variables.keys() == expected.keys()
    for name, value in expected.items():
      np.testing.assert_array_equal(variables[name], value, err_msg=name)
  assert not half_written(path)
  stores = [episodes.EpisodeStore(folder / 'episodes') for folder in (path, whole)]
  assert stores[0].decisions() == stores[1].decisions()
  for index in range(len(stores[0])):
    tf.nest.map_structure(np.testing.assert_array_equal, *(store.load(index) for store in stores))
  return len(stores[0])


def check_evaluated(whole, path):
  """Asserts that what `launchers.evaluate` says of the best checkpoints of two runs is the same."""
  command = [sys.executable, '-m', 'launchers.evaluate', '--best', '--episodes=3']
  told = [subprocess.run([*command, f'--run_dir={folder}'], cwd=_ROOT, check=True, capture_output=True).stdout for folder in (whole, path)]
  assert told[1].replace(bytes(path), bytes(whole)) == told[0] and b'evaluate/return_mean' in told[0], told


def _start(arguments, path):
  """Starts a training run as the leader of a session of its own; returns the process, and the file of what it says."""
  log = path.with_suffix('.log')
  with open(log, 'w') as file:
    command = [sys.executable, '-m', 'launchers.train', f'--run_dir={path}', *arguments]
    return subprocess.Popen(command, cwd=_ROOT, stderr=file, start_new_session=True), log


def _finish(arguments, path):
  """Lets a run end by itself."""
  path.parent.mkdir(parents=True, exist_ok=True)
  process, log = _start(arguments, path)
  assert process.wait(_PATIENCE) == 0 and 'Finished' in log.read_text(), log.read_text()
  processes.await_session_end(process.pid)


def _newest_path(path):
  found = (path / 'checkpoints').glob('*.sha256')
  return max((file.with_suffix('') for file in found), key=lambda file: int(file.name.split('-')[1]), default=None)


def _best_path(path):
  evaluations = [(line['evaluate/return_mean'], line['env_steps']) for line in _lines(path) if 'evaluate/return_mean' in line]
  return path / 'checkpoints' / f'checkpoint-{max(evaluations)[1]}'


def _newest(path):
  """Returns env steps and number of episodes of the newest checkpoint, zeros where there is none."""
  newest = _newest_path(path)
  if newest is None:
    return 0, 0
  reader = tf.train.load_checkpoint(str(newest))
  read = lambda name: reader.get_tensor(f'progress/{name}/.ATTRIBUTES/VARIABLE_VALUE')
  return int(read('env_steps')), int(read('history')[-1].sum())


def _variables(path):
  """Returns all variables of a checkpoint by name."""
  reader = tf.train.load_checkpoint(str(path))
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if not name.startswith(_FORGOTTEN)}


def _lines(path):
  """Returns the whole lines of `metrics.jsonl`; one that is torn may only be the last."""
  file = path / 'metrics.jsonl'
  lines = file.read_text().split('\n')[:-1] if file.exists() else []
  return [json.loads(line) for line in lines]


def _whole_lines(path):
  return len(_lines(path))


def _last_env_steps(path):
  lines = _lines(path)
  return lines[-1]['env_steps'] if lines else 0


def _records(path):
  return [{name: value for name, value in line.items() if not name.startswith('seconds') and not name.endswith(_TIMED)}
          for line in _lines(path)]


def main():
  """Reads the command line and prints."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--kills', type=int, default=50, help='in all cases together')
  parser.add_argument('--seed', type=int, default=0, help='of moments and signals')
  parser.add_argument('--folder', required=True, help='for the runs; must not exist')
  parser.add_argument('--cases', nargs='+', choices=CASES, default=list(CASES))
  arguments = parser.parse_args()
  share = -(-arguments.kills // len(arguments.cases))
  told = []
  for name in arguments.cases:
    folder = pathlib.Path(arguments.folder) / name
    told.append(campaign(name, share, arguments.seed, folder))
    check_evaluated(folder / 'whole', folder / 'killed-0')
    print(json.dumps(told[-1], indent=2), flush=True)  # of each case, for an error in a later one must not hide it
  print(json.dumps({'kills': sum(case['kills'] for case in told), 'cases': [case['case'] for case in told], 'lost': 0, 'left_behind': 0}))


if __name__ == '__main__':
  main()
