"""What an examination says of environments that are odd, each in one way.

Simulators live in this process here, which is quicker; that they are survived where they hang or
die is tested through the launcher.
"""

import pytest

from mbrl_tf import errors
from mbrl_tf.algorithms import base
from mbrl_tf.data import agreement
from mbrl_tf.environments import bare_examination, examination, examiner, hosts, simulators

_NAME = 'tests.environments.odd_environments:Odd'


class InProcess(hosts.Local):
  """A stand-in for `hosts.Remote`."""

  def __new__(cls, recipe, timeout_seconds, local=hosts.Local):
    host = local(recipe)
    start, ask = host.start, host.ask
    host.start = lambda timeout_seconds=None: start()
    host.ask = lambda method, argument=None, timeout_seconds=None: ask(method, argument)
    return host


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
  monkeypatch.setattr(examiner.hosts, 'Remote', InProcess)


def examine(way='', name=_NAME, algorithm='mbmpo', accepts=lambda spec: None, num_envs=2, **recipe):
  kwargs = recipe.pop('kwargs', {'way': way} if name == _NAME else {})
  task = examination.Task(
      simulators.Recipe(name, kwargs, **recipe), num_envs, 'auto', 60.0, 100, algorithm, accepts,
      agreement.compare, lambda: None, 5000, 200, 2**20)
  return examination.examine(task)


def row(found, topic):
  rows = [each for each in found.rows if each.topic == topic]
  assert len(rows) == 1, found.rows
  return rows[0]


def test_a_sound_environment_is_described_in_all_respects():
  found = examine()
  assert found.status == 0, found.rows
  assert [each.topic for each in found.rows] == [
      'environment', 'observations', 'actions', 'time limit', 'gymnasium', 'interface', 'episodes',
      'rewards', 'units', 'seeds', 'rendering', 'speed', 'reward_function', 'algorithm', 'memory']
  assert '2 numbers in float32' in row(found, 'observations').found
  assert '1 number in [-1, 1]' in row(found, 'actions').found
  assert '(-2 to 2)' in row(found, 'actions').found
  assert '10 env steps' in row(found, 'time limit').found
  assert '10 episodes of 10 env steps' in row(found, 'episodes').found
  assert 'uint8[4, 6, 3]' in row(found, 'rendering').found
  assert 'in 100% of 200 transitions' in row(found, 'reward_function').found
  # two numbers observed, one acted, a reward and whether it ended: of 10, 5,000 and 200 decisions
  assert found.measured['bytes_per_decision'] == 17
  for said in ('170 B for an episode as long as the limit (10 ', '83 KiB on disk',
               '3.32 KiB of which are learned from'):
    assert said in row(found, 'memory').found
  assert found.measured['process_bytes'] > 2**20
  assert {'env_steps_per_second_1', 'env_steps_per_second_2'} <= set(found.measured)


@pytest.mark.parametrize('way, topic, level, said, received', [
    ('no time limit', 'episodes', 'warning', 'No episode ended', 'time_limit=0'),
    ('text observed', 'toolkit', 'error', 'texts are left out', 'Text'),
    ('bounded', 'numbers', 'warning', 'outside of the bounds', 'bounds -0.0099999998'),
    ('nan', 'numbers', 'error', 'NaN', 'observation[1]=nan'),
    ('unseeded', 'seeds', 'warning', 'in the same process', 'reset(seed=11)'),
    ('terminates by the clock', 'episodes', 'warning', 'by the clock', '7 env steps'),
    ('ends at once', 'episodes', 'warning', 'first step', '1 env step'),
    ('changes the action', 'arrays', 'warning', 'changes the action', 'before and'),
    ('one array', 'arrays', 'warning', 'changes afterwards', 'and later'),
    ('a list', 'interface', 'warning', 'array of one number', 'a list of 1'),
    ('float64', 'interface', 'warning', 'another type', 'float64[2], expected float32'),
    ('garbage', 'interface', 'error', 'another shape', 'observation='),
    ('raises in close()', 'closing', 'warning', 'line', 'closing failed'),
    ('odd frames', 'rendering', 'warning', 'no frame', 'float64[4, 6, 3]'),
    ('cannot draw', 'rendering', 'warning', 'odd_environments.py (render)', 'no paint'),
    ('wrong sign', 'reward_function', 'error', 'not what the simulator pays', 'next_observation=['),
    ('function raises', 'functions', 'error', 'odd_environments.py (<lambda>)', 'Error='),
    ('function of columns', 'functions', 'error', 'What the trainer calls raised', '1)')])
def test_what_is_odd_is_told_with_what_was_received_and_what_to_do(
    way, topic, level, said, received):
  found = examine(way)
  told = [each for each in found.rows if each.topic == topic and each.level != 'ok']
  assert told and told[0].level == level and said in told[0].found, found.rows
  assert received in told[0].received and told[0].advice
  assert found.status == (2 if level == 'error' or found.count('error') else 1)


@pytest.mark.parametrize('way', ['raises', 'sys.exit'])
def test_a_simulator_that_fails_costs_a_row_and_what_it_answered_before_counts(way):
  found = examine(way)
  assert 'odd_environments.py (_fail)' in row(found, 'stepping').found
  assert found.status == 2 and 'All 5 answers' in row(found, 'interface').found
  assert row(found, 'memory').level == 'ok'


def test_however_slow_it_is_an_episode_is_looked_at(monkeypatch):
  monkeypatch.setattr(bare_examination, '_SECONDS', 0.0)
  found = examine()
  assert 'All 11 answers' in row(found, 'interface').found and found.status == 0


@pytest.mark.parametrize('options, goes_on', [({}, False), ({'hangs_again': False}, True)])
def test_a_hang_ends_what_would_hang_again(options, goes_on):
  task = examination.Task(simulators.Recipe(_NAME, {}), 1, 'auto', 7.0, 100, 'mbmpo', None, None,
                          None, 5000, 200, None)
  tested = examiner.Examiner(task)
  with tested.telling('drawing', 'Look', **options):
    raise errors.SimulatorError('It hangs. Received: x=1') from BlockingIOError()
  told, = tested.rows
  assert tested.goes_on == goes_on and told.received == 'timeout_seconds=7.0'
  assert 'what it waits for' in told.advice and told.level == 'error'


def test_one_that_cannot_be_built_is_told_in_one_row():
  found = examine('cannot be built')
  assert 'no licence' in row(found, 'environment').received and found.status == 2
  assert [each.topic for each in found.rows] == ['environment', 'not looked at']
  found = examine(name='gym:HalfCheetah-v9')
  assert 'Nearest: gym:HalfCheetah-v5' in row(found, 'environment').found and found.status == 2


def test_the_algorithms_refusal_is_an_error():

  def refuses(spec):
    raise errors.UserError(f'It needs images. Received: {spec.name}')

  found = examine(accepts=refuses, algorithm='other')
  assert row(found, 'algorithm') == examination.report.Row(
      'algorithm', 'error', 'It needs images', _NAME, row(found, 'algorithm').advice)


def test_functions_are_compared_env_step_by_env_step_where_actions_are_repeated():
  found = examine(action_repeat=3)
  assert '3 env steps a decision' in row(found, 'time limit').found
  assert 'in 100% of' in row(found, 'reward_function').found and found.status == 0


@pytest.mark.parametrize('kind, said, bytes_each', [
    ('mixed', "1 number in [-1, 1], scaled to the simulator's own bounds (-1 to 1), and one of 3 "
     'choices, and 2 times one of 2 choices, from Dict(', 4 * 4),
    ('table', '2 times one of 2 choices, and 2 times one of 3 choices, and one of 4 choices, and '
     'one of 1 choices, from MultiDiscrete(', 6 * 8)])
def test_actions_of_many_parts_are_described_and_taken(kind, said, bytes_each):
  found = examine(name='tests.environments.acting_environments:Acting', kwargs={'kind': kind})
  assert not [each for each in found.rows if each.level == 'error'], found.rows
  assert row(found, 'actions').found.startswith(said)
  assert 'in 100% of' in row(found, 'reward_function').found
  # and 2 numbers observed, a reward and whether it ended
  assert found.measured['bytes_per_decision'] == bytes_each + 8 + 4 + 1


def test_choices_and_terminations_of_a_known_task():
  found = examine(name='gym:CartPole-v1', num_envs=1)
  assert 'one of 2 choices' in row(found, 'actions').found
  assert 'terminated' in row(found, 'episodes').found
  assert 'in 100% of' in row(found, 'terminated_function').found and not found.count('error')


def test_what_nobody_foresaw_costs_a_row(monkeypatch):
  monkeypatch.setattr(examination.Examination, 'weigh', lambda self: 1 / 0)
  found = examine()
  assert row(found, '<lambda>').received == "ZeroDivisionError='division by zero'"
  assert found.status == 2


def test_the_recipe_is_that_of_the_config():
  settings = base.EnvironmentConfig(
      'toy:point_mass', time_limit=5, action_repeat=2, observation='both', image_size=16)
  recipe = examination.recipe(settings, 3)
  assert (recipe.seed, recipe.time_limit, recipe.action_repeat) == (3, 5, 2)
  assert (recipe.observation, recipe.image_size, recipe.camera) == ('both', 16, -1)
