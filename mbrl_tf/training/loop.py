"""The training loop: it knows no algorithm, only that iterations come and that there is a state to save."""

import contextlib
import math
import os
import signal
import stat
import sys
import threading
import time
from typing import Any, NamedTuple
import warnings
import zlib

import numpy as np

from mbrl_tf import errors
from mbrl_tf.algorithms import clock as phases
from mbrl_tf.training import checkpoint
from mbrl_tf.training import metrics as run_metrics
from mbrl_tf.training import placement as placement_lib
from mbrl_tf.training import progress as run_progress
from mbrl_tf.training import run_directory
from mbrl_tf.training import schedule as run_schedule

_ALONE = placement_lib.Placement()
_PATIENCE_SECONDS = 60  # until the chief's file must be seen: network file systems show it late
EVALUATION = 'evaluate/return_mean'  # decides which checkpoint is the best
_COLLECTED = 'collect/return_mean'
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restore(algorithm, config, directory, store, environment, placement=_ALONE) -> checkpoint.Checkpointer:
  """Brings algorithm, store and environment to where the newest checkpoint is; to the beginning where there is none.

  What a killed process left half written is removed.

  Args:
    algorithm: an `algorithms.base.Algorithm`, freshly built.
    config: the dataclass tree.
    directory: the `RunDirectory`.
    store: the `EpisodeStore` or `ShardedStore`; episodes newer than the checkpoint are dropped, and
      before there is one all that were not imported.
    environment: the batched environment that collects.
    placement: the `placement.Placement` of this host. All hosts restore the same checkpoint, and wait for each other; nothing
      is dropped before all agree on it.

  Returns:
    The `Checkpointer`, for `train`.

  Raises:
    UserError: where the checkpoints that the run must have written are gone, or hosts differ in what they go on from: no
      episodes are dropped then.
  """
  checkpointer = checkpoint.Checkpointer(directory.checkpoints, algorithm.state, config.run.keep_checkpoints)
  progress = checkpointer.progress
  if checkpointer.restore():
    known = progress.history.numpy()[-1].sum()
    if store.lengths.sum() < known:
      warnings.warn(f'The checkpoint knows of {known} episodes, and the newest files of them are gone from {directory.episodes}',
                    stacklevel=2)
    first = placement.host * environment.batch_size
    counters = progress.episode_counters.numpy()[first:][:environment.batch_size]
    environment.episode_counters = np.pad(counters, (0, environment.batch_size - len(counters)))
  else:
    if store.lengths.any():
      _require_beginning(config, directory)
    progress.history.assign([[directory.imported().episodes]])
  _require_the_same_run(placement, config, directory, progress)
  store.truncate_shards(progress.history.numpy())
  placement.gather([0])  # no host writes episodes before all have dropped theirs
  if placement.host == 0:
    # Also here, because a run that was killed right after its last checkpoint writes none any more.
    checkpointer.remove_leftovers()
    directory.remove_partial()
  return checkpointer


def train(algorithm, config, directory, store, environment, evaluator, checkpointer, placement=_ALONE) -> bool:
  """Trains until the end of the schedule or a signal (SIGINT, SIGTERM, SIGHUP), and leaves a
  checkpoint.

  Besides where the schedule says so, a checkpoint is written where an evaluation is as good as the best so far, and the best is kept.
  A run that never evaluates has no best one: the returns of collecting are those of exploring policies.

  On several hosts the first alone evaluates and writes metrics and checkpoints, and a signal to any stops all.

  Args:
    algorithm, config, directory, store, environment, checkpointer, placement: see `restore`.
    evaluator: an `Evaluator`.

  Returns:
    True where the schedule ended, False where a signal stopped the run.
  """
  schedule = run_schedule.Schedule.from_config(config.run)
  progress = checkpointer.progress
  before, saved, is_chief = int(progress.env_steps), int(progress.env_steps), placement.host == 0
  with contextlib.ExitStack() as stack:
    outputs: Any = None  # of the chief alone
    if is_chief:
      outputs = _Outputs(directory, config, before)
      stack.callback(outputs.close)
      stack.enter_context(phases.watched(outputs.terminal))
    stopping = stack.enter_context(_stop_at_signal())
    clock = _Clock(float(progress.seconds))
    evaluations = run_metrics.recorded(directory.metrics, EVALUATION)
    iterations = algorithm.iterations() if not schedule.ended(before) else ()
    for report in iterations:
      now = int(algorithm.env_steps)
      hosts = _Hosts.agree(placement, stopping.is_set(), environment, algorithm)
      stops = hosts.stopping or schedule.ended(now)
      if not is_chief:
        saved = before = now
        if stops:
          break
        continue
      evaluates = schedule.evaluates(before, now)
      metrics = _write(outputs, report, algorithm, evaluator if evaluates else None, now, clock)
      if evaluates:
        evaluations[now] = metrics[EVALUATION]
        for name, video in report.videos.items():
          outputs.tensorboard.write_video(
              name, now, video.draw(), environment.frames_per_second, video.rows)
      if stops or schedule.checkpoints(before, now) or _is_best(checkpointer, evaluations, now):
        _save(checkpointer, store, hosts, now, clock, evaluations)
        saved = now
      before = now
      if stops or (stopping.is_set() and placement.hosts == 1):
        break
    if saved != before:  # the signal came while this iteration was written
      _save(checkpointer, store, hosts, before, clock, evaluations)
  placement.gather([0])  # no host says that all is well before the chief has saved it
  return schedule.ended(before)


def _require_beginning(config, directory):
  """Raises where a run without a checkpoint is not one that was stopped hard before the first.

  An iteration is written to `metrics.jsonl` just before its checkpoint, so the last line alone may have been due.
  """
  schedule = run_schedule.Schedule.from_config(config.run)
  steps = [0, *run_metrics.recorded_env_steps(directory.metrics)]
  if any(schedule.checkpoints(before, now) for before, now in zip(steps, steps[1:-1])):
    raise errors.UserError(
        f'The run reached {steps[-1]} env steps and its checkpoints are gone. Put them back into {directory.checkpoints.name}/ '
        f'to go on, or begin anew in another --run_dir (or without {directory.episodes.name}/ and {directory.metrics.name}, which '
        f'would be overwritten). Received: run_dir={str(directory.path)!r}')


def _require_the_same_run(placement, config, directory, progress):
  """Waits for all hosts, and raises on all of them where one has another config, run directory or checkpoint."""
  if placement.hosts == 1:
    return
  text = run_directory.to_json(run_directory.config_to_dict(config))
  env_steps = int(progress.env_steps)
  chief = placement.gather([zlib.crc32(directory.chief().encode())])[0, 0]
  own = [zlib.crc32(text.encode()), _sees(directory, chief), env_steps, zlib.crc32(progress.history.numpy().tobytes())]
  everyone = placement.gather(own)
  for host, (config_crc, sees_chief, other_env_steps, _) in enumerate(everyone):
    if config_crc != everyone[0, 0]:
      difference = 'config'
    elif not sees_chief:
      difference = 'run directory'
    elif (everyone[host] != everyone[0]).any():
      difference = f'checkpoint ({other_env_steps:.0f} env steps)'
    else:
      continue
    raise errors.UserError(f'Host {host} has another {difference} than host 0: all hosts of a run are started with the same '
                           f'config and the same run directory. Received: host={placement.host}, env_steps={env_steps}')


def _sees(directory, chief):
  """Whether this host sees, soon, the lock that the chief holds in its own run directory."""
  end = time.monotonic() + _PATIENCE_SECONDS
  while zlib.crc32(directory.chief().encode()) != chief:
    if time.monotonic() > end:
      return False
    time.sleep(0.2)
  return True


class _Hosts(NamedTuple):
  """What all hosts know together after an iteration.

  Attributes:
    stopping: whether one of them is asked to stop.
    episode_counters: int64 `[hosts N]`.
  """
  stopping: bool
  episode_counters: Any

  @classmethod
  def agree(cls, placement, stopping, environment, algorithm):
    """All hosts call this together.

    Raises:
      HostError: where they have learned different variables, because one read or computed something else; nothing was saved then.
    """
    learned = b''.join(variable.numpy().tobytes() for variable in algorithm.state.trainable_variables) if placement.hosts > 1 else b''
    told = placement.gather([stopping, zlib.crc32(learned), *environment.episode_counters]).astype(np.int64)
    for host, other in enumerate(told[:, 1]):
      if other != told[0, 1]:
        raise errors.HostError(
            f'Host {host} has learned other variables than host 0, so one of them read or computed something else. Start all hosts '
            f'again: the run goes on from its newest checkpoint. Received: host={placement.host} of {placement.hosts}')
    return cls(bool(told[:, 0].any()), told[:, 2:].reshape(-1))


class _Outputs:
  """All places where metrics go."""

  def __init__(self, directory, config, env_steps):
    self.file = run_metrics.MetricsFile(directory.metrics, env_steps)
    self.tensorboard = run_metrics.TensorBoard(directory.path, config, env_steps)
    self.terminal = run_progress.Terminal(env_steps, config.run.env_steps)
    # Of the exploring policies' returns only where there are no others.
    self._counted = EVALUATION if config.run.evaluate_every_env_steps else _COLLECTED
    before = run_metrics.recorded(directory.metrics, self._counted)
    self._best = max(before.values(), default=-math.inf)

  def best(self, metrics):
    """Returns the best return so far as a metric, where there is a new one to compare."""
    if self._counted not in metrics:
      return {}
    self._best = max(self._best, float(metrics[self._counted]))
    return {f'{self._counted.split("/")[0]}/return_best': self._best}

  def close(self):
    for output in (self.terminal, self.tensorboard, self.file):
      output.close()


class _Clock:
  """Wall time of training, summed over resumes."""

  def __init__(self, seconds):
    self._begin = time.monotonic() - seconds

  def seconds(self):
    return time.monotonic() - self._begin


def _write(outputs, report, algorithm, evaluator, now, clock):
  """Evaluates where there is an evaluator, and writes and returns everything that is known of an iteration."""
  metrics = dict(report.metrics)
  if evaluator:
    outputs.terminal.begin('evaluate')
    evaluation = evaluator.evaluate(algorithm.evaluation_policy(), now)
    metrics.update(evaluation.metrics)
    if evaluation.frames:
      outputs.tensorboard.write_video('evaluate/episode', now, evaluation.frames, evaluation.frames_per_second)
  metrics.update(outputs.best(metrics))
  seconds = clock.seconds()
  outputs.file.write(now, seconds, metrics)
  outputs.tensorboard.write(now, metrics, report.histograms)
  outputs.terminal.write(now, seconds, metrics)
  return metrics


def _is_best(checkpointer, evaluations, now):
  """Says whether the policy was evaluated now, and no worse than at each checkpoint that is kept.

  Of equals the newest is the best one, so each of them is saved: which one is left must not depend on where a run was stopped.
  """
  best = checkpointer.best(evaluations)
  return now in evaluations and (best is None or evaluations[now] >= evaluations[best])


def _save(checkpointer, store, hosts, now, clock, evaluations):
  """Writes a checkpoint of the algorithm and of how far the run is."""
  progress = checkpointer.progress
  progress.env_steps.assign(now)
  progress.seconds.assign(clock.seconds())
  progress.history.assign(store.history)
  # Those of hosts that are gone stay as they were, for when they come back.
  gone = progress.episode_counters.numpy()[len(hosts.episode_counters):]
  progress.episode_counters.assign(np.concatenate([hosts.episode_counters, gone]))
  checkpointer.save(evaluations)


@contextlib.contextmanager
def _stop_at_signal():
  """Gives an event that the first signal of `_STOPPING` sets; a second SIGINT stops at once,
  without a checkpoint.
  """
  stopping = threading.Event()

  def handle(number, frame):
    if stopping.is_set() and number == signal.SIGINT:
      raise KeyboardInterrupt
    stopping.set()
    if number == signal.SIGHUP:
      _leave_closed_terminal()
    print('\nStopping after this iteration, with a checkpoint. Ctrl-C again stops at once, without one.', file=sys.stderr)

  # `nohup` has SIGHUP ignored, and means it.
  numbers = [number for number in _STOPPING
             if not (number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN)]
  previous = {number: signal.signal(number, handle) for number in numbers}
  try:
    yield stopping
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)


def _leave_closed_terminal():
  """Lets go of a terminal that was closed: to write there would raise, and the run has a
  checkpoint to write.
  """
  for descriptor in (1, 2):
    # as the system tells of one that is gone
    if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
      nowhere = os.open(os.devnull, os.O_WRONLY)
      os.dup2(nowhere, descriptor)
      os.close(nowhere)
