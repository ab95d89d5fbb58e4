"""An evaluation depends on the seed and env steps alone."""

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.drivers import policies
from mbrl_tf.environments import catalog
from mbrl_tf.training import evaluation
from tests import fakes


def point_mass(num_envs, seed, render_mode):
  return catalog.make('toy:point_mass', num_envs, seed, render_mode=render_mode)


def test_metrics_by_hand():
  made = []

  def make(num_envs, seed, render_mode):
    made.append((num_envs, render_mode))
    return fakes.CountingEnvironment([[2 + index] for index in range(num_envs)])

  evaluator = evaluation.Evaluator(make, episodes=3, seed=0)
  result = evaluator.evaluate(policies.UniformRandomPolicy(fakes.vector_spec()), 100)
  returns = np.array([1 + 2, 1 + 2 + 3, 1 + 2 + 3 + 4])
  assert result.metrics == {
      'evaluate/return_mean': returns.mean(), 'evaluate/return_min': 3, 'evaluate/return_max': 10,
      'evaluate/return_std': returns.std(), 'evaluate/episode_length_mean': 3, 'evaluate/simulator_restarts': 0}
  assert result.frames == []
  evaluator.evaluate(policies.UniformRandomPolicy(fakes.vector_spec()), 200)
  assert made == [(3, None)], 'the environments are made once'


def test_the_same_at_the_same_place_whatever_came_before():
  spec = point_mass(1, 0, None).spec
  policy = policies.UniformRandomPolicy(spec)
  fresh = evaluation.Evaluator(point_mass, 4, seed=1)
  expected = fresh.evaluate(policy, 800).episodes
  used = evaluation.Evaluator(point_mass, 4, seed=1)
  elsewhere = used.evaluate(policy, 400).episodes
  again = used.evaluate(policy, 800).episodes
  other_seed = evaluation.Evaluator(point_mass, 4, seed=2).evaluate(policy, 800).episodes
  for one, other in zip(expected, again, strict=True):
    np.testing.assert_array_equal(one.observation, other.observation)
    np.testing.assert_array_equal(one.action, other.action)
  assert (expected[0].observation[0] != elsewhere[0].observation[0]).any()
  assert (expected[0].observation[0] != other_seed[0].observation[0]).any()


def test_frames_of_one_episode():
  evaluator = evaluation.Evaluator(point_mass, 2, seed=0, video=True)
  policy = policies.UniformRandomPolicy(point_mass(1, 0, None).spec)
  result = evaluator.evaluate(policy, 100)
  evaluator.close()
  assert len(result.frames) > len(result.episodes[0].reward) > 1
  assert result.frames_per_second == 20  # as the metadata of the point mass says
  assert result.frames[0].dtype == np.uint8 and result.frames[0].ndim == 3
  assert any((frame != result.frames[0]).any() for frame in result.frames)


def test_seeds_are_known_and_spread():
  assert evaluation.derive_seed(0, 'evaluate') == 524140161
  seeds = {evaluation.derive_seed(seed, 'evaluate', env_steps) for seed in range(20) for env_steps in range(20)}
  assert len(seeds) == 400 and min(seeds) >= 0 and max(seeds) < 2**31


@pytest.mark.parametrize('frame, told', [(None, r'object\[\]'), (np.zeros([4, 4, 3], np.float32), r'float32\[4, 4, 3\]'), (np.zeros([4, 4], np.uint8), r'uint8\[4, 4\]')])
def test_a_simulator_that_draws_no_frames_is_told(frame, told):
  class Drawing(fakes.CountingEnvironment):
    frames_per_second = 30

    def render(self):
      return [frame]

  evaluator = evaluation.Evaluator(lambda num_envs, seed, render_mode: Drawing([[3]] * num_envs), 1, 0, video=True)
  with pytest.raises(errors.SimulatorError, match=f'run.evaluate_videos=False.*Received: frame={told}'):
    evaluator.evaluate(policies.UniformRandomPolicy(fakes.vector_spec()), 0)


def scripted(parallel='in_process', **kwargs):
  return lambda num_envs, seed, render_mode: catalog.make(
      'tests.environments.user_environments:scripted', num_envs, seed, kwargs, render_mode=render_mode, parallel=parallel)


def test_a_simulator_that_fails_while_it_is_evaluated_is_counted(tmp_path):
  evaluator = evaluation.Evaluator(scripted(fail_at=2, failure='raise', once=str(tmp_path / 'failed')), 2, seed=0)
  with pytest.warns(RuntimeWarning, match='gearbox broke'):
    result = evaluator.evaluate(policies.UniformRandomPolicy(catalog.make('tests.environments.user_environments:scripted').spec), 100)
  assert result.metrics['evaluate/simulator_restarts'] == 1 and len(result.episodes) == 2


def test_frames_that_are_none_are_told_before_anything_is_learned():
  make = scripted('processes', frame_type='float32')
  with pytest.raises(errors.SimulatorError, match=r"must return uint8 .height, width, 3.*Received: frame=float32\[8, 8, 3\]"):
    evaluation.Evaluator(make, 1, seed=0, video=True).require_frames()
  evaluation.Evaluator(make, 1, seed=0, video=False).require_frames()  # nobody asks for any


def test_looking_for_frames_changes_nothing_of_what_is_evaluated():
  policy = policies.UniformRandomPolicy(point_mass(1, 0, None).spec)
  looked, fresh = (evaluation.Evaluator(point_mass, 2, seed=0, video=True) for _ in range(2))
  looked.require_frames()
  one, other = (evaluator.evaluate(policy, 100) for evaluator in (looked, fresh))
  assert one.metrics == other.metrics
  np.testing.assert_array_equal(one.frames, other.frames)
