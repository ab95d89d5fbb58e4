"""Whatever a simulator does besides simulating, what is collected is right, and nothing hangs or
ends without a word.
"""

import contextlib
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.drivers import driver
from mbrl_tf.drivers import policies
from mbrl_tf.environments import catalog
from mbrl_tf.environments import guests
from tests import processes
from tests.environments import rude_guests

_RUDE = 'tests.environments.rude_guests:Rude'
_WAYS = ('raise', 'sys.exit', 'sys.exit(text)', 'os._exit', 'GeneratorExit')
# In workers, which take long to start, one way that Python sees and one that it does not.
_ENDS = [*(('in_process', way) for way in _WAYS), ('processes', 'sys.exit'), ('processes', 'os._exit')]


def collected(kind='in_process', repeat=1, name=_RUDE, env_steps=40, **kwargs):
  """Returns the episodes of two simulators, under random actions that are the same each time."""
  with catalog.make(name, num_envs=2, seed=7, kwargs=kwargs, parallel=kind,
                    action_repeat=repeat) as environment:
    policy = policies.UniformRandomPolicy(environment.spec, 3)
    return driver.EpisodeDriver(environment).collect(policy, env_steps, seed=5).episodes


@pytest.fixture(scope='module')
def polite():
  return {repeat: collected(repeat=repeat) for repeat in (1, 3)}


def require_same(episodes, expected):
  assert len(episodes) == len(expected) == 2
  for one, other in zip(episodes, expected):
    for name in ('observation', 'action', 'reward', 'terminated'):
      np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.fixture
def stays_itself():
  """Asserts that the process is afterwards what it was."""
  state = lambda: (os.getcwd(), [signal.getsignal(number) for number in guests.STOP_SIGNALS])
  before = state()
  yield
  assert state() == before


@pytest.fixture
def ends_what_is_started():
  """Ends what the simulators started of which spaces are read, which lives in this process."""
  before = children(os.getpid())
  yield
  rude_guests.over.set()
  for child in set(children(os.getpid())) - set(before):
    with contextlib.suppress(ProcessLookupError):
      if 'resource_tracker' not in pathlib.Path(f'/proc/{child}/cmdline').read_text():
        os.kill(child, signal.SIGKILL)
  for child in multiprocessing.active_children():
    child.join()
  rude_guests.over.clear()


def children(pid):
  """Returns the ids of the processes that a process has started, by whichever of its threads."""
  return [int(word) for file in pathlib.Path(f'/proc/{pid}/task').glob('*/children')
          for word in file.read_text().split()]


@pytest.mark.usefixtures('stays_itself', 'ends_what_is_started')
@pytest.mark.parametrize('kind, repeat', [('in_process', 1), ('in_process', 3), ('processes', 3)])
@pytest.mark.parametrize('manner', rude_guests.HARMLESS)
def test_no_manner_changes_what_is_collected(manner, kind, repeat, polite):
  config = {'sizes': [], 'size': 3}
  require_same(collected(kind, repeat, manner=manner, config=config), polite[repeat])
  assert config == {'sizes': [], 'size': 3}


def test_whole_numbers_are_paid():
  first, _ = collected(name='tests.environments.rude_guests:Whole')
  assert first.reward.dtype == np.float32 and set(first.reward) <= {0.0, 1.0}


@pytest.mark.parametrize('kind, answer, part', [
    # A worker is started anew five times: one form stands for all.
    ('processes', 'two rewards', 'reward=float64[2]'), *(('in_process', *each) for each in [
    ('four', 'a tuple of 4'), ('none', 'NoneType None'), ('two rewards', 'reward=float64[2]'),
    ('no reward', 'reward=NoneType None'),
    ('a text', "reward=str '1.0'"), ('ragged', 'reward=list'), ('two flags', 'terminated=bool[2]'),
    ('no flag', 'truncated=NoneType')])])
def test_an_answer_of_another_form_is_named(kind, answer, part):
  with pytest.warns(RuntimeWarning), pytest.raises(errors.SimulatorError) as raised:
    collected(kind, name='tests.environments.rude_guests:Answers', answer=answer)
  said, received = str(raised.value).rsplit('Received: ', 1)
  assert 'does not answer as a gymnasium.Env does. Expected of step()' in said
  assert 'Traceback' not in said
  assert received.startswith(part)


def test_a_beginning_of_another_form_is_named():
  part = r'Expected of reset\(\): .*Received: float32\[2\]'
  with pytest.warns(RuntimeWarning), pytest.raises(errors.SimulatorError, match=part):
    collected(name='tests.environments.rude_guests:OldReset')


@pytest.mark.usefixtures('stays_itself')
@pytest.mark.parametrize('kind, way', _ENDS)
def test_one_that_ends_its_process_is_a_simulator_that_failed(kind, way):
  told = pytest.warns(RuntimeWarning, match='failed in episode 0. It is restarted')
  with told, pytest.raises(errors.SimulatorError) as raised:
    collected(kind, at='step', way=way)
  said = str(raised.value)
  assert 'for the 5th time in a row' in said
  if way == 'os._exit' and kind == 'processes':
    assert 'exit_code=0' in said
  else:
    assert 'raised in step()' in said and 'rude_guests.py' in said


@pytest.mark.usefixtures('stays_itself')
@pytest.mark.parametrize('at', ['__init__', 'reset'])
@pytest.mark.parametrize('way', _WAYS)
@pytest.mark.filterwarnings('ignore:Simulator')
def test_so_is_one_that_does_so_elsewhere(at, way):
  with pytest.raises(errors.SimulatorError, match='rude_guests.py'):
    collected(at=at, way=way)


@pytest.mark.usefixtures('stays_itself')
@pytest.mark.parametrize('kind, way', _ENDS)
def test_whatever_happens_in_close_is_told_and_harms_nobody(kind, way, polite, caplog, capfd):
  require_same(collected(kind, at='close', way=way), polite[1])
  if way != 'os._exit' or kind == 'in_process':
    assert 'raised in close() (' in caplog.text + capfd.readouterr().err


def test_a_close_that_has_no_end_is_left(polite, caplog, monkeypatch):
  monkeypatch.setattr(guests, 'SECONDS_TO_CLOSE', 0.3)
  before = signal.getsignal(signal.SIGALRM)
  require_same(collected(at='close', way='hang'), polite[1])
  assert 'raised in close() (TimeoutError: it did not end within 0.3 s)' in caplog.text
  assert signal.getsignal(signal.SIGALRM) == before
  assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_attribute_that_ends_the_process_is_told():
  with pytest.raises(errors.SimulatorError, match='cannot be described'):
    collected(name='tests.environments.rude_guests:Property')


def test_a_module_that_ends_the_process_is_told(tmp_path, monkeypatch):
  (tmp_path / 'leaving_module.py').write_text('import sys; sys.exit(0)')
  monkeypatch.syspath_prepend(str(tmp_path))
  with pytest.raises(errors.UserError, match=r"cannot be imported \(SystemExit: 0\). Received: "
                                             r"environment='leaving_module:Env'"):
    catalog.make('leaving_module:Env')


def test_outside_of_a_simulator_and_in_children_the_process_may_be_ended():
  code = ('import os, sys\nfrom mbrl_tf.environments import guests\nguests.guard_exit(); '
          'guests.guard_exit()\n'
          'with guests.Visit():\n  child = os.fork()\n  if not child:\n    os._exit(3)\n'
          '  assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3\n'
          '  try:\n    os._exit(0)\n  except SystemExit as error:\n    print(error)\nos._exit(4)')
  done = subprocess.run([sys.executable, '-uc', code], capture_output=True, text=True)
  assert (done.returncode, done.stdout, done.stderr) == (4, 'os._exit(0)\n', '')


def test_a_signal_that_reaches_a_worker_is_not_its_simulators(polite):
  with catalog.make(_RUDE, kwargs={'manner': 'replaces signal handlers'},
                    parallel='processes') as environment:
    environment.reset()
    for number in guests.STOP_SIGNALS:
      os.kill(environment.simulators.processes[0].pid, number)
    environment.step(np.zeros([1, 1], np.float32))
    assert environment.restarts == 0


@pytest.mark.usefixtures('ends_what_is_started')
@pytest.mark.parametrize('end', ['close', 'kill'])
@pytest.mark.parametrize('manner', ['starts a process', 'starts a program', 'starts a thread'])
def test_nothing_that_a_worker_started_is_left(manner, end):
  with catalog.make(_RUDE, kwargs={'manner': manner}, parallel='processes') as environment:
    environment.reset()
    worker = environment.simulators.processes[0]
    started = children(worker.pid)
    assert len(started) >= (manner != 'starts a thread')
    if end == 'kill':
      worker.kill()
      with pytest.warns(RuntimeWarning, match='died during step'):
        environment.step(np.zeros([1, 1], np.float32))
      processes.await_end(started)
    pid = environment.simulators.processes[0].pid
    started += children(pid)
  processes.await_end([pid, *started])
  assert environment.simulators.exit_codes == [0]


@pytest.mark.parametrize('limit', ['method', 'text', 'negative', 'nan', 'fraction', 'true'])
def test_a_time_limit_that_is_none_is_told(limit):
  with pytest.raises(errors.UserError, match='environment.time_limit.*Received: time_limit='):
    catalog.make('tests.environments.rude_guests:limited', kwargs={'limit': limit})


@pytest.mark.parametrize('limit', ['infinite', 'nothing'])
def test_no_time_limit_is_none(limit):
  with catalog.make('tests.environments.rude_guests:limited', kwargs={'limit': limit}) as found:
    assert found.spec.time_limit == 0


@pytest.mark.parametrize('limit', ['infinite', 'nothing', 'float', 'numpy', 'array'])
def test_a_time_limit_may_be_given_instead_or_come_as_any_number(limit):
  given = 7 if limit in ('infinite', 'nothing') else 0
  with catalog.make('tests.environments.rude_guests:limited', kwargs={'limit': limit},
                    time_limit=given) as environment:
    assert environment.spec.time_limit == (given or 5)


@pytest.mark.parametrize('name', ['Limited', 'limited'])
def test_memory_follows_what_is_played(name):
  kwargs = {'limit': 'huge'} if name == 'limited' else {}
  episodes = collected(name=f'tests.environments.rude_guests:{name}', env_steps=10, **kwargs)
  assert [len(episode.reward) for episode in episodes] == [5, 5] and episodes[0].terminated[-1]


@pytest.mark.parametrize('name, part', [
    ('EmptyDict', 'a Dict or Tuple needs an entry.*Received: observation_space=Dict()'),
    ('NoSpaces', 'Received: observation_space=None'),
    ('NothingToDo', 'Received: action_space=')])
def test_spaces_without_anything_are_refused(name, part):
  with pytest.raises(errors.UserError, match=part):
    catalog.make(f'tests.environments.rude_guests:{name}')


def test_each_frame_is_an_array_of_its_own():
  with catalog.make(_RUDE, render_mode='rgb_array', seed=2) as environment:
    environment.reset()
    frames = [environment.render()[0]]
    for _ in range(15):
      environment.step(np.ones([1, 1], np.float32))
      frames.append(environment.render()[0])
  assert len({frame[0, 0, 0] for frame in frames}) > 3


def test_each_simulator_keeps_the_directory_that_it_chose(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  visits = guests.Visit(), guests.Visit()
  with visits[0]:
    os.chdir('/usr')
  assert os.getcwd() == str(tmp_path)
  with visits[1]:
    assert os.getcwd() == str(tmp_path)
  with visits[0]:
    assert os.getcwd() == '/usr'
  assert os.getcwd() == str(tmp_path)


def test_handlers_are_put_back_also_where_the_simulator_raised():
  handler = lambda number, frame: None
  before = signal.signal(signal.SIGHUP, handler)
  try:
    with pytest.raises(ValueError), guests.Visit():
      signal.signal(signal.SIGHUP, signal.SIG_IGN)
      raise ValueError
    assert signal.getsignal(signal.SIGHUP) is handler
  finally:
    signal.signal(signal.SIGHUP, before)
  assert threading.current_thread() is threading.main_thread()


@pytest.mark.parametrize('kind', ['in_process', 'processes'])
@pytest.mark.parametrize('name, repeats', [
    ('Rude', True), ('Unseeded', False), ('UnseededLater', False)])
def test_whether_episodes_can_be_repeated_is_seen_and_leaves_no_trace(kind, name, repeats):
  with catalog.make(f'tests.environments.rude_guests:{name}', num_envs=2,
                    parallel=kind) as environment:
    environment.episode_counters = [5, 6]
    assert environment.repeats_itself() is repeats
    assert environment.episode_counters.tolist() == [5, 6] and environment.restarts == 0


@pytest.mark.parametrize('name', ['toy:corridor', 'toy:point_mass', 'gym:HalfCheetah-v5',
                                  'gym:CartPole-v1', 'dmc:walker_walk', 'dmc:quadruped_fetch'])
def test_tasks_that_come_with_packages_can_be_repeated(name):
  with catalog.make(name, num_envs=2, parallel='in_process') as environment:
    assert environment.repeats_itself()


@pytest.mark.filterwarnings('ignore:Simulator')
def test_one_that_fails_tells_nothing_of_its_seeds(tmp_path):
  kwargs = {'fail_at': 1, 'failure': 'raise', 'once': str(tmp_path / 'failed')}
  with catalog.make('tests.environments.user_environments:scripted', kwargs=kwargs) as environment:
    assert environment.repeats_itself()
