"""Names, arguments and the choice between processes and this one."""

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.environments import catalog, parallel, simulators

USER = 'tests.environments.user_environments:'


def test_known_names_are_listed():
  assert {'gym:HalfCheetah-v5', 'gym:Pendulum-v1', 'toy:point_mass'} <= set(simulators.names())


@pytest.mark.parametrize('name, near', [
    ('gym:HalfCheeta-v5', 'gym:HalfCheetah-v5'), ('toy:pointmass', 'toy:point_mass'), ('HalfCheetah-v5', 'gym:HalfCheetah-v5'),
    (USER + 'skripted', USER + 'scripted')])
def test_an_unknown_name_brings_the_nearest(name, near):
  with pytest.raises(errors.UserError, match=rf'Nearest: .*{near}.*Received: environment='):
    catalog.make(name)


@pytest.mark.parametrize('name, kwargs, said', [
    ('no_such_module:factory', {}, 'cannot be found'),
    (USER + 'not_an_environment', {}, 'must return a gymnasium.Env'),
    (USER + 'no_such_class', {}, 'no environment of this name'),
    (USER + 'misnamed', {'time_limit': 3}, 'no_such_function'),
    (USER + 'PlainText', {'time_limit': 3}, 'texts are left out'),
    (USER + 'Unbounded', {'time_limit': 3}, 'finite bounds'),
    ('toy:point_mass', {'kwargs': {'start': 1}}, 'keyword arguments'),
    ('gym:Hopper-v5', {'kwargs': {'wieght': 1}}, 'keyword arguments'),
    ('toy:point_mass', {'num_envs': 0}, 'at least 1'),
    ('toy:point_mass', {'action_repeat': 1.5}, 'whole number'),
    ('toy:point_mass', {'seed': 'one'}, 'whole number'),
    ('toy:point_mass', {'time_limit': -1}, 'at least 0'),
    ('toy:point_mass', {'worker_timeout_seconds': 0.0}, 'needs time'),
    ('toy:point_mass', {'parallel': 'process'}, 'processes'),
    ('toy:point_mass', {'render_mode': 'human'}, 'rgb_array'),
    ('tests.environments.acting_environments:Matching', {'render_mode': 'rgb_array'},
     'draws no frames'),
    ('gym:Hopper-v5', {'render_mode': 'rgb_array', 'parallel': 'in_process'}, 'crash'),
])
def test_bad_input_is_told_with_what_was_received(name, kwargs, said):
  with pytest.raises(errors.UserError, match=f'(?s){said}.*Received: .+=') as caught:
    catalog.make(name, **kwargs)
  assert 'Received: ' in str(caught.value)


def test_what_does_not_render_runs_in_this_process():
  assert isinstance(catalog.make('toy:point_mass').simulators, parallel.InProcess)


def test_an_id_is_found_where_its_module_registers_it_also_in_a_process_of_its_own():
  name = 'gym:tests.environments.observation_kinds:ObservationKinds/All-v0'
  for kind in ('in_process', 'processes'):
    with catalog.make(name, parallel=kind, kwargs={'images': False}) as environment:
      assert 'deep/0/cell' in environment.reset().observation
      assert not any(part.is_image for part in environment.spec.observation.values())
      assert environment.spec.left_out == ('deep/0/mission',)


def test_no_time_limit_is_needed_where_episodes_end_by_themselves():
  name = 'tests.environments.observation_kinds:Base'
  with catalog.make(name) as environment:
    assert environment.spec.time_limit == 0
    environment.reset()
    steps = [environment.step(np.zeros([1, 1], np.float32)) for _ in range(9)]
    assert [bool(step.is_last()) for step in steps] == 7 * [False] + [True, False]
    assert all(step.discount == 1 for step in steps)


def test_time_limit_and_action_repeat_reach_the_spec():
  spec = catalog.make('gym:HalfCheetah-v5', time_limit=200, action_repeat=2).spec
  assert (spec.time_limit, spec.action_repeat) == (200, 2)
  assert catalog.make('gym:Hopper-v5').spec.time_limit == 1000
  assert catalog.make(USER + 'scripted').spec.time_limit == 5


@pytest.mark.parametrize('name, action_repeat, rate', [
    ('gym:Pendulum-v1', 1, 30), ('gym:Pendulum-v1', 2, 15), ('gym:Hopper-v5', 5, 25), (USER + 'scripted', 4, 5)])
def test_frames_play_at_the_rate_that_the_simulator_tells_and_at_20_steps_a_second_where_it_does_not(name, action_repeat, rate):
  assert catalog.make(name, action_repeat=action_repeat).frames_per_second == rate


@pytest.mark.parametrize('name', ['gym:Humanoid-v5', 'gym:HumanoidStandup-v5'])
def test_mujoco_tasks_without_known_functions_still_run(name):
  environment = catalog.make(name)
  assert environment.spec.reward is None
  step = environment.step(environment.reset().reward[:, None].repeat(17, axis=1))
  assert step.observation.shape == (1,) + environment.spec.observation.shape


NUMBERED = 'tests.environments.numbered:Numbered'


@pytest.mark.parametrize('kind', ['in_process', 'processes'])
def test_each_simulator_is_given_its_own_number(kind):
  kwargs = {'port': '{5000+index}', 'file': 'map-{index}.txt'}
  with catalog.make(NUMBERED, 2, kwargs=kwargs, parallel=kind, first_index=4) as environment:
    np.testing.assert_array_equal(environment.reset().observation, [[5004, 4], [5005, 5]])
    assert kwargs == {'port': '{5000+index}', 'file': 'map-{index}.txt'}
  # Those that evaluate have other numbers, and begin the same episodes.
  with catalog.make(NUMBERED, 2, kwargs=kwargs, parallel=kind, first_place=7) as environment:
    np.testing.assert_array_equal(environment.reset().observation, [[5007, 7], [5008, 8]])


def test_what_is_no_number_of_a_simulator_is_refused_before_any_is_built():
  with pytest.raises(errors.UserError, match=r'(?s)\{5000\+index\}.*Received: environment.kwargs'):
    catalog.make(NUMBERED, kwargs={'port': '{index*2}'})


def test_one_simulator_is_built_to_know_the_task_and_none_where_it_is_known(monkeypatch):
  built, build = [], simulators.build
  monkeypatch.setattr(simulators, 'build', lambda *arguments: built.append(arguments) or build(*arguments))
  catalog.make(NUMBERED, 3, kwargs={'port': '{index}'}).close()
  assert [kwargs['port'] for _, kwargs, _ in built] == [0, 0, 1, 2]
  known = catalog.facts(NUMBERED, {'port': '{index}'}, place=9)
  assert built.pop()[1]['port'] == 9
  built.clear()
  catalog.make(NUMBERED, 3, kwargs={'port': '{index}'}, first_place=9, known=known).close()
  assert [kwargs['port'] for _, kwargs, _ in built] == [9, 10, 11]
