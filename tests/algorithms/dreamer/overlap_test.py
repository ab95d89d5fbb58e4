"""Work beside other work: what it returns and raises, and that it never outlives its caller; then Dreamer's collection as such."""

import contextlib
import itertools
import shutil
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.algorithms.dreamer import build, overlap
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver as episode_driver
from mbrl_tf.environments import catalog as environments
from tests.algorithms.dreamer import small

_WAIT = 120  # seconds after which what never comes is given up


@pytest.fixture(autouse=True)
def no_thread_is_left():
  yield
  assert not [thread for thread in threading.enumerate() if thread.name.startswith('beside')]


@pytest.fixture
def eagerly():
  """To compile a step takes longer than these tests take."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def endless(check):
  while True:
    check()
    time.sleep(0.001)


def test_the_work_runs_while_the_block_does():
  met = threading.Barrier(2, timeout=_WAIT)
  with overlap.beside(lambda check: (met.wait(), 'done')[1]) as result:
    met.wait()
    assert result() == 'done'


def test_an_error_of_the_work_keeps_its_type():
  def work(check):
    raise errors.SimulatorError('fell over')

  with pytest.raises(errors.SimulatorError, match='fell over'), overlap.beside(work) as result:
    result()


def test_an_error_of_the_block_ends_the_work():
  with pytest.raises(ZeroDivisionError), overlap.beside(endless):
    raise ZeroDivisionError


def test_a_block_that_is_left_without_the_result_ends_the_work():
  with overlap.beside(endless):
    pass

  def generator():
    with overlap.beside(endless):
      yield

  suspended = generator()
  next(suspended)
  suspended.close()


def test_work_that_does_not_check_is_waited_for():
  ended = []
  with pytest.raises(ZeroDivisionError):
    with overlap.beside(lambda check: (time.sleep(0.1), ended.append(True))):
      raise ZeroDivisionError
  assert ended


class Made:
  """A small Dreamer on a toy: 100 random env steps, then 50 an iteration and 2 gradient steps, at first 3."""

  def __init__(self, folder, overlap=True, seed=1, **changes):
    config = small.config(**{
        'replay__batch_size': 2, 'replay__batch_length': 4, 'behavior__horizon': 2, 'model__continuation': False,
        'collect__random_env_steps': 100, 'collect__env_steps_per_iteration': 50, 'collect__overlap': overlap,
        'learner__first_gradient_steps': 3, 'learner__env_steps_per_gradient_step': 25.0,
        'behavior__actor_learning_rate': 0.01, **changes})  # a rate at which each gradient step shows in the actions
    self.folder = folder
    self.environment = environments.make('toy:point_mass', 1, seed=1)
    self.store = episodes.EpisodeStore(folder)
    self.driver = episode_driver.EpisodeDriver(self.environment, observers=(self.store.append,))
    self.algorithm = build.build(config, self.environment.spec, self.driver, self.store, seed)
    self.parts = self.algorithm.state
    self.reports = self.algorithm.iterations()

  def run(self, iterations):
    """Random data and so many iterations; returns what was reported of them."""
    return list(itertools.islice(self.reports, 1 + iterations))[1:]

  def copy(self, folder, overlap):
    """What a resumed run is: another one in the same state."""
    shutil.copytree(self.folder, folder)
    other = Made(folder, overlap, seed=2)
    saved = tf.train.Checkpoint(self.parts).write(str(folder.with_suffix('.checkpoint')))
    tf.train.Checkpoint(other.parts).read(saved).assert_consumed()
    other.environment.episode_counters = self.environment.episode_counters
    return other


def assert_same_variables(parts, other):
  for one, two in zip(parts.variables, other.variables):
    np.testing.assert_array_equal(one, two, err_msg=one.name)


def assert_same_reports(reports, others):
  timed = lambda name: name.startswith('seconds/') or name.endswith('_per_second')
  for one, two in zip(reports, others, strict=True):
    assert set(one.metrics) == set(two.metrics)
    assert {n: v for n, v in one.metrics.items() if not timed(n)} == {n: v for n, v in two.metrics.items() if not timed(n)}


def last_actions(made):
  return made.store.load(len(made.store) - 1).action


@contextlib.contextmanager
def first_finishes(made, which):
  """Lets learning (3 gradient steps) or collecting begin when the other one is finished."""
  finished, learned = threading.Event(), []
  step, collect = made.parts.learner.compiled_step, made.driver.collect

  def counted_step(*args):
    if which == 'collecting':
      assert finished.wait(_WAIT)
    told = step(*args)
    learned.append(told)
    if which == 'learning' and len(learned) == 3:
      finished.set()
    return told

  def waiting_collect(*args, **kwargs):
    if which == 'learning':
      assert finished.wait(_WAIT)
    collected = collect(*args, **kwargs)
    if which == 'collecting':
      finished.set()
    return collected

  made.parts.learner.compiled_step, made.driver.collect = counted_step, waiting_collect
  yield
  made.parts.learner.compiled_step, made.driver.collect = step, collect


@pytest.mark.long
@pytest.mark.usefixtures('eagerly')
def test_which_is_faster_decides_nothing(tmp_path):
  made, told = [], []
  for which in ('collecting', 'learning'):
    one = Made(tmp_path / which)
    one.run(0)
    with first_finishes(one, which):
      told.append([next(one.reports)])
    told[-1].append(next(one.reports))
    made.append(one)
  assert_same_variables(made[0].parts, made[1].parts)
  assert_same_reports(*told)
  np.testing.assert_array_equal(last_actions(made[0]), last_actions(made[1]))


@pytest.mark.usefixtures('eagerly')
def test_the_policy_of_one_iteration_before_collects_and_the_same_data_is_learned_from(tmp_path):
  made = Made(tmp_path / 'overlapped')
  made.run(1)
  policy_before = made.copy(tmp_path / 'before', overlap=False)
  learning_first = made.copy(tmp_path / 'learning_first', overlap=False)
  next(made.reports)
  policy_before.driver.collect(policy_before.parts.exploring_policy, 50)
  np.testing.assert_array_equal(last_actions(made), last_actions(policy_before))
  next(learning_first.reports)
  assert (last_actions(made) != last_actions(learning_first)).any()
  assert_same_variables(made.parts, learning_first.parts)
  assert made.algorithm.env_steps == 200 and int(made.parts.gradient_steps) == 5


def test_the_snapshot_is_not_in_the_checkpoint(tmp_path):
  names = []
  for overlapped in (False, True):
    made = Made(tmp_path / str(overlapped), overlapped)
    names.append([name for name, _ in tf.train.list_variables(
        tf.train.Checkpoint(made.parts).write(str(tmp_path / f'{overlapped}.checkpoint')))])
  assert names[0] == names[1]


@pytest.mark.usefixtures('eagerly')
def test_an_error_of_the_simulator_reaches_the_caller(tmp_path, monkeypatch):
  made = Made(tmp_path)
  made.run(0)

  def fall_over(actions):
    raise errors.SimulatorError('fell over')

  monkeypatch.setattr(made.environment.simulators, 'step', fall_over)
  with pytest.raises(errors.SimulatorError, match='fell over'):
    next(made.reports)


@pytest.mark.usefixtures('eagerly')
def test_a_loss_that_is_not_finite_ends_the_collection(tmp_path):
  made = Made(tmp_path, collect__env_steps_per_iteration=10**9)  # which nobody could wait for
  made.run(0)
  bias = made.parts.value.trainable_variables[-1]
  bias.assign(tf.fill(bias.shape, np.nan))
  with pytest.raises(FloatingPointError, match='(actor|value)/loss or its gradient is not finite'):
    next(made.reports)
  assert made.algorithm.env_steps == 100
  made.environment.close()


@pytest.mark.usefixtures('eagerly')
def test_no_thread_runs_between_iterations(tmp_path):
  made = Made(tmp_path)
  made.run(1)
  assert not [thread for thread in threading.enumerate() if thread.name.startswith(('beside', 'sequences'))]
  made.reports.close()
  made.environment.close()
