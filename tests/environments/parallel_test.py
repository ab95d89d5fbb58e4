"""Simulators that fail are restarted, and nothing else notices."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from tf_agents.trajectories import time_step as ts

from mbrl_tf import errors
from mbrl_tf.drivers import driver
from mbrl_tf.drivers import policies
from mbrl_tf.environments import catalog
from mbrl_tf.environments import parallel
from tests import processes

NAME = 'tests.environments.user_environments:scripted'  # 5 steps an episode
ACTIONS = np.zeros((2, 2), np.float32)
HANG_SECONDS = 10.0  # of tests in which a worker hangs: it is also the time that a busy machine has to start one


@pytest.fixture(params=['in_process', 'processes'])
def kind(request):
  return request.param


def observed(environment, count):
  """Resets, and returns the observations `[count + 1, 2, 2]` and step types `[count + 1, 2]` of `count` steps."""
  steps = [environment.reset()] + [environment.step(ACTIONS) for _ in range(count)]
  return np.stack([step.observation for step in steps]), np.stack([step.step_type for step in steps])


@pytest.fixture(scope='module')
def undisturbed():
  with catalog.make(NAME, num_envs=2, seed=7) as environment:
    return observed(environment, 12)


def with_one_failure(failure, path, kind='processes', **arguments):
  """Returns what is observed while one of two simulators fails in the third step, and the environment, closed."""
  kwargs = {'fail_at': 3, 'failure': failure, 'once': str(path)}
  with catalog.make(NAME, num_envs=2, seed=7, kwargs=kwargs, parallel=kind, **arguments) as environment:
    with pytest.warns(RuntimeWarning, match=r'Simulator [01] of .*scripted failed in episode 0. It is restarted') as warned:
      told = observed(environment, 12)
    return (*told, environment, str(warned[0].message))


def check_restart(undisturbed, observations, step_types, environment):
  """Asserts that one simulator went on with its next episode in the third step, and the other as if nothing was."""
  failed = int(environment.simulators.restarts.argmax())
  assert environment.simulators.restarts.tolist() == [int(index == failed) for index in range(2)] and environment.restarts == 1
  whole, whole_types = undisturbed
  np.testing.assert_array_equal(observations[:, 1 - failed], whole[:, 1 - failed])
  np.testing.assert_array_equal(step_types[:, 1 - failed], whole_types[:, 1 - failed])
  np.testing.assert_array_equal(observations[:3, failed], whole[:3, failed])
  # Undisturbed, episode 1 begins in step 6, after the five of episode 0; here in step 3, with the same draw.
  np.testing.assert_array_equal(observations[3:10, failed], whole[6:13, failed])
  np.testing.assert_array_equal(step_types[3:10, failed], whole_types[6:13, failed])
  assert step_types[2:4, failed].tolist() == [ts.StepType.MID, ts.StepType.FIRST]
  assert environment.episode_counters.tolist() == [3, 3]


@pytest.mark.parametrize('failure, said', [
    ('raise', 'gearbox broke'), ('nan_observation', 'finite numbers'), ('nan_reward', 'finite reward'), ('shape', r'float64[3]')])
def test_one_that_fails_begins_its_next_episode_and_the_others_go_on(undisturbed, tmp_path, kind, failure, said):
  observations, step_types, environment, warned = with_one_failure(failure, tmp_path / 'failed', kind)
  check_restart(undisturbed, observations, step_types, environment)
  assert said in warned


@pytest.mark.parametrize('failure, said, arguments', [
    ('die', 'died during step(). Its own output, if any, stands above', {}),
    ('hang', 'gave no answer to step() in time. Received: worker_timeout_seconds=', {'worker_timeout_seconds': HANG_SECONDS}),
    ('hang_in_the_middle_of_an_answer', 'gave no answer to step() in time.', {'worker_timeout_seconds': HANG_SECONDS})])
def test_a_worker_that_dies_or_hangs_is_replaced(undisturbed, tmp_path, failure, said, arguments):
  observations, step_types, environment, warned = with_one_failure(failure, tmp_path / 'failed', **arguments)
  check_restart(undisturbed, observations, step_types, environment)
  assert said in warned
  assert environment.simulators.processes == [] and environment.simulators.exit_codes == [0, 0]


@pytest.mark.parametrize('number, code', [(signal.SIGKILL, -9), (signal.SIGSTOP, None)])
def test_a_worker_that_is_killed_or_stopped_from_outside_is_replaced(undisturbed, number, code):
  with catalog.make(NAME, num_envs=2, seed=7, parallel='processes', worker_timeout_seconds=HANG_SECONDS) as environment:
    begun = [environment.reset()] + [environment.step(ACTIONS) for _ in range(2)]
    victim = environment.simulators.processes[1].pid
    os.kill(victim, number)
    with pytest.warns(RuntimeWarning, match=f'exit_code={code}' if code else 'hangs'):
      steps = begun + [environment.step(ACTIONS) for _ in range(10)]
    check_restart(undisturbed, np.stack([step.observation for step in steps]), np.stack([step.step_type for step in steps]),
                  environment)
    assert not processes.is_running(victim) and environment.simulators.exit_codes == [None, -9]


def test_the_driver_records_no_part_of_an_episode(tmp_path, kind):
  kwargs = {'fail_at': 3, 'failure': 'raise', 'once': str(tmp_path / 'failed')}
  with catalog.make(NAME, num_envs=2, seed=7, kwargs=kwargs, parallel=kind) as environment:
    with pytest.warns(RuntimeWarning, match='gearbox broke'):
      collected = driver.EpisodeDriver(environment).collect(policies.UniformRandomPolicy(environment.spec), 20)
  # The one that fails in step 3 is at the end of its next episode in step 8, the other one in the steps 5 and 11: not 20 yet.
  assert [episode.observation[:, 0].tolist() for episode in collected.episodes] == [[0, 1, 2, 3, 4, 5]] * 5
  draws = [episode.observation[:, 1] for episode in collected.episodes]
  assert all((draw == draw[0]).all() for draw in draws) and len({draw[0] for draw in draws}) == 5
  assert collected.env_steps == 25
  assert collected.metrics['collect/simulator_restarts'] == 1 and collected.metrics['collect/dropped_env_steps'] == 2


def test_a_timeout_may_be_infinite():
  with catalog.make(NAME, parallel='processes', worker_timeout_seconds=float('inf')) as environment:
    assert environment.reset().observation[0, 0] == 0


def test_too_many_failures_in_a_row_stop_with_the_traceback(kind):
  with catalog.make(NAME, num_envs=2, kwargs={'fail_at': 1, 'failure': 'raise'}, parallel=kind) as environment:
    environment.reset()
    with warnings.catch_warnings(record=True) as warned, pytest.raises(
        errors.SimulatorError, match=r'(?s)for the 5th time in a row.*Traceback.*gearbox broke') as raised:
      warnings.simplefilter('always')
      for _ in range(5):
        environment.step(ACTIONS)
    assert 'user_environments.py' in str(raised.value)
    assert environment.simulators.restarts.tolist() == [5, 4] and len(warned) == 8
    with pytest.raises(errors.SimulatorError, match='closed'):  # not answers to questions from before
      environment.step(ACTIONS)
    if kind == 'processes':
      assert environment.simulators.processes == []


@pytest.mark.filterwarnings('ignore:Simulator')
def test_an_episode_that_ends_in_between_forgives_failures():
  class Fragile:
    """Fails at every third step of those it ever took, and episodes last two."""
    recipe = type('Recipe', (), {'name': 'fragile'})
    total = 0

    def start(self):
      self.request = 'start'

    def ask(self, method, argument=None):
      self.request = method

    def answer(self):
      if self.request != 'step':
        self.steps = 0
        return np.zeros(1, np.float32)
      self.steps += 1
      self.total += 1
      if self.total % 3 == 0:
        raise errors.SimulatorError('third')
      return np.zeros(1, np.float32), 0.0, False, self.steps == 2, 1

    def ask_to_end(self):
      pass

    def end(self):
      pass

  simulators = parallel.Simulators([Fragile()])
  simulators.reset()
  for _ in range(60):
    simulators.step(np.zeros((1, 1)))
  assert simulators.restarts[0] > 2 * parallel.FAULTS_IN_A_ROW


def test_a_failed_frame_is_drawn_again_and_begins_an_episode():
  with catalog.make(NAME, seed=7, render_mode='rgb_array', parallel='processes') as environment:
    environment.reset()
    environment.step(ACTIONS[:1])
    environment.simulators.processes[0].kill()
    with pytest.warns(RuntimeWarning, match='died during render'):
      assert environment.render()[0].max() == 0  # the first frame of an episode: the step is what is drawn
    assert environment.step(ACTIONS[:1]).is_first().all()
    assert environment.step(ACTIONS[:1]).observation[0, 0] == 1


SCRIPT = '''
import sys
import numpy as np
from mbrl_tf.environments import simulators, parallel
if __name__ == '__main__':
  kwargs = {'fail_at': 1, 'failure': sys.argv[1]}
  group = parallel.Processes([simulators.Recipe('tests.environments.user_environments:scripted', kwargs)] * 2, 300)
  group.reset()
  print(*[process.pid for process in group.processes], flush=True)
  if sys.argv[1] == 'hang':
    group.step(np.zeros((2, 2), np.float32))
  print(sys.stdin.read(), flush=True)
  group.step(np.zeros((2, 2), np.float32))
  print('stepped', flush=True)
'''


@pytest.fixture(params=['', 'hang'])
def parent(request, tmp_path):
  """A process with two workers, idle or hanging, in a process group of its own; and the workers' process ids."""
  script = tmp_path / 'parent.py'
  script.write_text(SCRIPT)
  process = subprocess.Popen(
      [sys.executable, script, request.param], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
      env={**os.environ, 'PYTHONPATH': os.getcwd()}, start_new_session=True)
  workers = [int(word) for word in process.stdout.readline().split()]
  assert len(workers) == 2 and all(map(processes.is_running, workers))
  yield process, workers, request.param
  process.kill()
  process.communicate()


def test_workers_end_when_their_parent_is_killed(parent):
  process, workers, _ = parent
  process.send_signal(signal.SIGKILL)
  processes.await_end(workers)


@pytest.mark.parametrize('parent', [''], indirect=True)
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_leaves_the_workers_to_their_parent(parent, number):
  process, workers, _ = parent
  for worker in workers:
    os.kill(worker, number)
  said, complaints = process.communicate(timeout=60)
  assert process.returncode == 0 and said.endswith('stepped\n') and 'Warning' not in complaints
  processes.await_end(workers)  # also with the interpreter: nobody closed anything
