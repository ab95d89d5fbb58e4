"""Images as observations: of simulators that draw with numpy in this process, and of MuJoCo and pygame in workers."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.environments import catalog, hosts, parallel, pixels, wrappers
from tests.environments import user_environments

USER = 'tests.environments.user_environments:'


class Counting(user_environments.Scripted):
  """Counts how often it draws; each frame holds the number of steps."""

  frames = 0

  def render(self):
    self.frames += 1
    return super().render()


def images(environment, steps=2):
  """Plays full actions; returns the observations."""
  action = np.ones((environment.batch_size,) + environment.spec.action.shape, environment.spec.action.dtype)
  return [environment.reset().observation] + [environment.step(action).observation for _ in range(steps)]


def test_one_frame_is_drawn_per_decision_whatever_the_action_repeat_and_shown_again_for_free():
  bare = Counting()
  env = pixels.AddImages(wrappers.RepeatActions(wrappers.LimitTime(bare, 7), 3), 'counting', 'pixels', 8)
  observations = [env.reset(seed=0)[0]] + [env.step(np.zeros(2))[0] for _ in range(3)]
  assert [observation['image'].max() for observation in observations] == [0, 3, 6, 7]
  assert bare.frames == 4
  np.testing.assert_array_equal(env.render(), np.full((8, 8, 3), 7))
  assert bare.frames == 4


def test_pixels_alone_or_beside_the_vector_or_the_entries_of_a_dict():
  for observation, kwargs, keys in (('pixels', {}, ['image']), ('both', {}, ['image', 'vector'])):
    env = pixels.AddImages(user_environments.Scripted(**kwargs), 'scripted', observation, 8)
    seen, _ = env.reset(seed=0)
    assert sorted(seen) == sorted(env.observation_space) == keys
    assert env.observation_space.spaces['image'] == gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)
  corridor = catalog.make('toy:corridor', observation='both', image_size=16)
  assert sorted(corridor.reset().observation) == sorted(corridor.spec.observation) == ['goal', 'image', 'position']


def test_what_has_an_image_or_no_vector_takes_no_other_image():
  for env in (user_environments.Scripted(dict_observation=True), user_environments.PlainText()):
    with pytest.raises(errors.UserError, match="'pixels' for just the image. Received: observation_space="):
      pixels.AddImages(env, 'scripted', 'both', 8)


def test_a_frame_that_is_none_is_a_fault_of_the_simulator():
  class Blind(user_environments.Scripted):
    def render(self):
      return None

  with pytest.raises(errors.SimulatorError, match=r"must return uint8 \[height, width, 3\]. Received: frame="):
    pixels.AddImages(Blind(), 'blind', 'pixels', 8).reset(seed=0)


def test_another_size_is_averaged_over_areas():
  frame = np.zeros((4, 8, 3), np.uint8)
  frame[:2, :2] = 100
  frame[2:, 4:] = [40, 80, 120]
  assert pixels.resized(frame, 2)[..., 1].tolist() == [[50, 0], [0, 80]]
  assert pixels.resized(frame, 2)[1, 1].tolist() == [40, 80, 120]
  square = np.zeros((4, 4, 3), np.uint8)
  assert pixels.resized(square, 4) is square


@pytest.mark.parametrize('size', [16, 64])
def test_a_toy_draws_in_this_process_and_tells_where_it_is(size):
  environment = catalog.make('toy:point_mass', 3, observation='both', image_size=size)
  assert isinstance(environment.simulators, parallel.InProcess)
  seen = images(environment)[-1]
  assert seen['image'].shape == (3, size, size, 3) and seen['image'].dtype == np.uint8
  for image, vector in zip(seen['image'].astype(float), seen['vector']):
    redness = np.clip(image[..., 0] - image[..., 1] - 60, 0, None)  # of the mass, beside the green goal and white paper
    y, x = (np.indices(redness.shape) * redness).sum((1, 2)) / redness.sum()
    assert [x, y] == pytest.approx([(2 + vector[0]) / 4 * size - 0.5, (2 - vector[1]) / 4 * size - 0.5], abs=0.03 * size)


@pytest.mark.parametrize('kwargs, said', [
    ({'observation': 'images'}, 'no observation of this name'), ({'image_size': 0}, 'at least 1'),
    ({'camera': -2}, 'at least -1'), ({'camera': 0}, 'MuJoCo tasks of gym: and dmc: alone'), ({'image_size': 16.0}, 'whole number')])
def test_bad_input_is_told_with_what_was_received(kwargs, said):
  with pytest.raises(errors.UserError, match=f'{said}.*Received: '):
    catalog.make('toy:point_mass', **kwargs)


@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('name, vector, dtype', [
    ('dmc:walker_walk', 24, 'float32'), ('gym:HalfCheetah-v5', 17, 'float64'),
    ('gym:CartPole-v1', 4, 'float32')])
def test_image_and_vector_of_a_task_come_from_workers(name, vector, dtype):
  with catalog.make(name, 2, observation='both', action_repeat=2, time_limit=9) as environment:
    assert isinstance(environment.simulators, parallel.Processes)
    seen = images(environment)
    assert environment.env_steps.tolist() == [2, 2]
  spec = environment.spec.observation
  assert spec['image'].shape == (64, 64, 3) and spec['vector'].shape == (vector,)
  for observation in seen:
    assert observation['image'].shape == (2, 64, 64, 3) and observation['image'].dtype == np.uint8
    assert observation['vector'].shape == (2, vector) and observation['vector'].dtype == dtype
    assert all(image.std() > 10 for image in observation['image'])
  assert (seen[0]['image'] != seen[-1]['image']).any()


@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('name', ['dmc:quadruped_walk', 'gym:HalfCheetah-v5'])
def test_a_camera_can_be_chosen_and_the_frame_that_was_observed_is_shown(name):
  seen = []
  for camera in (-1, 0):
    with catalog.make(name, observation='pixels', image_size=32, camera=camera, render_mode='rgb_array') as environment:
      seen.append(environment.reset().observation['image'][0])
      np.testing.assert_array_equal(environment.render()[0], seen[-1])
  assert seen[0].shape == (32, 32, 3)
  # HalfCheetah has one camera, which is the one that it chooses.
  assert (seen[0] != seen[1]).any() == (name == 'dmc:quadruped_walk')


@pytest.mark.usefixtures('gl')
def test_videos_of_what_is_observed_as_a_vector_have_the_size_that_is_asked_for():
  kwargs = {'width': 96, 'height': 800}
  with catalog.make('dmc:cartpole_swingup', render_mode='rgb_array', kwargs=kwargs) as environment:
    assert environment.reset().observation.shape == (1, 5)
    frame = environment.render()[0]
  assert frame.shape == (800, 96, 3) and frame.std() > 10


@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('name', ['toy:point_mass', 'dmc:reacher_easy'])
def test_episode_counters_bring_back_the_same_images(name):
  with catalog.make(name, observation='pixels', time_limit=2) as environment:
    images(environment)
    saved = environment.episode_counters
    expected = images(environment)
    environment.episode_counters = saved
    np.testing.assert_array_equal([seen['image'] for seen in images(environment)], [seen['image'] for seen in expected])


@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('parallel', ['auto', 'processes'])
def test_a_users_mujoco_simulator_is_drawn_in_a_worker_or_draws_itself_there(parallel, monkeypatch):
  monkeypatch.delenv('MUJOCO_GL', raising=False)
  name = 'tests.environments.user_mujoco:Slider'
  with catalog.make(name, observation='both', image_size=24) as environment:
    seen = [observation['image'] for observation in images(environment, 4)]
  with catalog.make(name, parallel=parallel, kwargs={'draws_itself': True}) as environment:
    own = images(environment, 4)
  np.testing.assert_array_equal(seen, own)
  assert (own[0] != own[-1]).any()


def test_a_renderer_in_a_users_constructor_is_told_where_it_belongs():
  # In a process of its own: mujoco reads once, when it is first imported, whether it may draw.
  program = ("from mbrl_tf.environments import catalog; "
             "catalog.make('tests.environments.user_mujoco:Slider', kwargs={'draws_itself': True, 'draws_at_once': True})")
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
  assert done.returncode and 'SimulatorError' in done.stderr
  assert 'make it at the first frame instead of in the constructor' in done.stderr


def test_a_users_simulator_that_observes_images_is_in_a_process_unless_it_is_asked_to_be_here():
  for chosen, kind in (('auto', hosts.Remote), ('in_process', hosts.Local)):
    with catalog.make(f'{USER}Scripted', parallel=chosen, time_limit=3, kwargs={'dict_observation': True}) as environment:
      assert isinstance(environment.simulators._hosts[0], kind)
      assert images(environment)[0]['image'].dtype == np.uint8
