"""The training loop: it knows no algorithm, only that iterations come and that there is a state to save."""

import contextlib
import signal
import sys
import threading
import time
import warnings

from mbrl_tf import errors
from mbrl_tf.training import checkpoint
from mbrl_tf.training import metrics as run_metrics
from mbrl_tf.training import schedule as run_schedule

EVALUATION = 'evaluate/return_mean'  # decides which checkpoint is the best


def restore(algorithm, config, directory, store, environment) -> checkpoint.Checkpointer:
  """Brings algorithm, store and environment to where the newest checkpoint is; to the beginning where there is none.

  Args:
    algorithm: an `algorithms.base.Algorithm`, freshly built.
    config: the dataclass tree.
    directory: the `RunDirectory`.
    store: the `EpisodeStore`; episodes newer than the checkpoint are dropped.
    environment: the batched environment that collects.

  Returns:
    The `Checkpointer`, for `train`.

  Raises:
    UserError: where the checkpoints that the run must have written are gone: its episodes are not dropped then.
  """
  checkpointer = checkpoint.Checkpointer(
      directory.checkpoints, algorithm.state, environment.batch_size, config.run.keep_checkpoints)
  if checkpointer.restore():
    if len(store) < int(checkpointer.progress.episodes):
      warnings.warn(f'The checkpoint knows of {int(checkpointer.progress.episodes)} episodes, and the newest files of them are '
                    f'gone from {directory.episodes}', stacklevel=2)
    environment.episode_counters = checkpointer.progress.episode_counters.numpy()
  elif len(store):
    _require_beginning(config, directory)
  store.truncate(int(checkpointer.progress.episodes))
  return checkpointer


def train(algorithm, config, directory, store, environment, evaluator, checkpointer) -> bool:
  """Trains until the end of the schedule or a signal (SIGINT, SIGTERM), and leaves a checkpoint.

  Besides where the schedule says so, a checkpoint is written where an evaluation is the best so far, and the best is kept.
  A run that never evaluates has no best one: the returns of collecting are those of exploring policies.

  Args:
    algorithm, config, directory, store, environment, checkpointer: see `restore`.
    evaluator: an `Evaluator`.

  Returns:
    True where the schedule ended, False where a signal stopped the run.
  """
  schedule = run_schedule.Schedule.from_config(config.run)
  progress = checkpointer.progress
  before, saved = int(progress.env_steps), int(progress.env_steps)
  with contextlib.ExitStack() as stack:
    outputs = _Outputs(directory, config, before)
    stack.callback(outputs.close)
    stopping = stack.enter_context(_stop_at_signal())
    clock = _Clock(float(progress.seconds))
    evaluations = run_metrics.recorded(directory.metrics, EVALUATION)
    iterations = algorithm.iterations() if not schedule.ended(before) else ()
    for report in iterations:
      now = int(algorithm.env_steps)
      stops = stopping.is_set() or schedule.ended(now)
      evaluates = schedule.evaluates(before, now)
      metrics = _write(outputs, report, algorithm, evaluator if evaluates else None, now, clock)
      if evaluates:
        evaluations[now] = metrics[EVALUATION]
        for name, draw in report.videos.items():
          outputs.tensorboard.write_video(name, now, draw(), environment.frames_per_second)
      if stops or schedule.checkpoints(before, now) or _is_best(checkpointer, evaluations, now):
        _save(checkpointer, store, environment, now, clock, evaluations)
        saved = now
      before = now
      if stops or stopping.is_set():
        break
    if saved != before:  # the signal came while this iteration was written
      _save(checkpointer, store, environment, before, clock, evaluations)
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


class _Outputs:
  """All places where metrics go."""

  def __init__(self, directory, config, env_steps):
    self.file = run_metrics.MetricsFile(directory.metrics, env_steps)
    self.tensorboard = run_metrics.TensorBoard(directory.path, config, env_steps)
    self.terminal = run_metrics.Terminal(env_steps, config.run.env_steps)

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
    evaluation = evaluator.evaluate(algorithm.evaluation_policy(), now)
    metrics.update(evaluation.metrics)
    if evaluation.frames:
      outputs.tensorboard.write_video('evaluate/episode', now, evaluation.frames, evaluation.frames_per_second)
  seconds = clock.seconds()
  outputs.file.write(now, seconds, metrics)
  outputs.tensorboard.write(now, metrics, report.histograms)
  outputs.terminal.write(now, seconds, metrics)
  return metrics


def _is_best(checkpointer, evaluations, now):
  """Says whether the policy was evaluated now, and better than at each checkpoint that is kept."""
  best = checkpointer.best(evaluations)
  return now in evaluations and (best is None or evaluations[now] > evaluations[best])


def _save(checkpointer, store, environment, now, clock, evaluations):
  """Writes a checkpoint of the algorithm and of how far the run is."""
  progress = checkpointer.progress
  progress.env_steps.assign(now)
  progress.seconds.assign(clock.seconds())
  progress.episodes.assign(len(store))
  progress.episode_counters.assign(environment.episode_counters)
  checkpointer.save(evaluations)


@contextlib.contextmanager
def _stop_at_signal():
  """Gives an event that the first SIGINT or SIGTERM sets; a second SIGINT stops at once, without a checkpoint."""
  stopping = threading.Event()

  def handle(number, frame):
    if stopping.is_set() and number == signal.SIGINT:
      raise KeyboardInterrupt
    stopping.set()
    print('\nStopping after this iteration, with a checkpoint. Ctrl-C again stops at once, without one.', file=sys.stderr)

  previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield stopping
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)
