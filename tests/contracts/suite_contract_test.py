"""Every task of the DM Control suite: from vectors in this process, and drawn in one worker that goes through them all."""

import multiprocessing

import numpy as np
import pytest

from mbrl_tf.environments import catalog, dm_control, simulators
from tests.contracts import suite_tour

TASKS = sorted(set(dm_control.tasks()) - {'cup_catch'})  # an alias of ball_in_cup_catch


def test_all_tasks_are_listed():
  assert len(TASKS) == 51 and 'quadruped_escape' in TASKS
  assert {f'dmc:{name}' for name in TASKS} <= set(simulators.names())


def play(environment, generator, count=4):
  """Begins an episode; returns its steps."""
  steps = [environment.reset()]
  for _ in range(count):
    steps.append(environment.step(generator.uniform(-1, 1, (1,) + environment.spec.action.shape)))
  return steps


@pytest.mark.parametrize('name', TASKS)
def test_a_task_keeps_to_its_spec_and_a_seed_brings_back_the_same_episode(name):
  with catalog.make(f'dmc:{name}', seed=4, action_repeat=2) as environment:
    spec = environment.spec
    assert spec.time_limit == 1000 and spec.action.dtype == 'float32' and spec.action.bounds == (-1, 1)
    first, second = (play(environment, np.random.default_rng(0)) for _ in range(2))
    for step in first:
      assert step.observation.shape == (1,) + spec.observation.shape and step.observation.dtype == np.float32
      assert np.isfinite(step.observation).all() and step.discount.tolist() == [1.0]
    environment.episode_counters = [0]
    again = play(environment, np.random.default_rng(0))
  for part in ('observation', 'reward'):
    np.testing.assert_array_equal([getattr(step, part) for step in first], [getattr(step, part) for step in again])
  assert (first[0].observation != second[0].observation).any()


@pytest.fixture(scope='module')
def worker(gl):
  """One spawned process: a pool, because it brings exceptions back."""
  with multiprocessing.get_context('spawn').Pool(1) as pool:
    yield lambda name: pool.apply(suite_tour.tour, (name, gl))


@pytest.mark.parametrize('name', TASKS)
def test_a_task_is_drawn(worker, name):
  images, has_tensorflow = worker(name)
  assert not has_tensorflow
  assert all(image.shape == (64, 64, 3) and image.dtype == np.uint8 and image.std() > 10 for image in images)
  assert (images[0] != images[-1]).any()


# The cheapest tasks, and the one that can terminate.
@pytest.mark.parametrize('name', [
    'acrobot_swingup', 'cartpole_balance', 'cheetah_run', 'lqr_lqr_2_1', 'pendulum_swingup', 'walker_walk'])
def test_the_time_limit_truncates_after_1000_env_steps(name):
  with catalog.make(f'dmc:{name}', action_repeat=8) as environment:
    environment.reset()
    steps = [environment.step(np.zeros((1,) + environment.spec.action.shape)) for _ in range(125)]
    assert not any(step.is_last().any() for step in steps[:-1])
    assert steps[-1].is_last().all() and steps[-1].discount.tolist() == [1.0] and environment.env_steps.tolist() == [8]


def test_the_time_limit_of_the_config_replaces_that_of_the_suite():
  with catalog.make('dmc:cartpole_balance', time_limit=1010) as environment:
    environment.reset()
    steps = [environment.step(np.zeros((1, 1))) for _ in range(1010)]
    assert [step.is_last().all() for step in steps] == [False] * 1009 + [True]
