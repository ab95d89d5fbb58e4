"""What is refused before anything is built for it."""

import warnings

import pytest

from mbrl_tf import assembly
from mbrl_tf import errors, shipped_configs
from mbrl_tf.drivers import policies
from mbrl_tf.environments import simulators
from mbrl_tf.training import run_directory
from tests.launchers import point_mass_config


def test_a_task_without_any_function_is_learned_from(tmp_path):
  config = point_mass_config.get_config()
  config.environment.name = 'gym:Acrobot-v1'
  with assembly.assemble(config, run_directory.RunDirectory(tmp_path)).environment as environment:
    assert environment.spec.reward is None and environment.spec.terminated is None


def test_a_task_that_draws_no_frames_is_evaluated_without_videos():
  config = point_mass_config.get_config()
  config.run.evaluate_videos = True
  assert assembly.draws_frames(config)
  config.environment.name = 'tests.environments.acting_environments:Matching'
  with pytest.warns(UserWarning, match='draws no frames.*Received: run.evaluate_videos=True'):
    assert not assembly.draws_frames(config)


def test_an_episode_is_on_disk_before_the_next_one_ends(tmp_path):
  config = point_mass_config.get_config()
  config.collect.random_env_steps = 150
  directory = run_directory.RunDirectory(tmp_path)
  run = assembly.assemble(config, directory, num_envs=1)
  stored, step = [], run.environment.step

  def watched(action):
    stored.append(len(list(directory.episodes.glob('*.npz'))))
    return step(action)

  run.environment.step = watched
  next(run.algorithm.iterations())
  run.environment.close()
  # Three episodes of 50 steps, and one call before the second and the third that resets.
  assert stored == [0] * 50 + [1] * 51 + [2] * 51
  assert len(run.store) == 3


def test_what_is_observed_is_said_and_what_is_left_out_warned_of(caplog):
  config = point_mass_config.get_config()
  config.environment.name = 'tests.environments.observation_kinds:Everything'
  config.environment.parallel = 'in_process'
  config.environment.images = 'deep/0/table=numbers'
  with caplog.at_level('INFO', 'mbrl_tf'), pytest.warns(UserWarning, match='deep/0/mission'):
    with assembly.make_environment(config, num_envs=1, seed=0) as environment:
      assembly.tell_of_observations(environment.spec)
  for said in ("'eye.left': an image of 16 x 40 x 3 in uint8, from uint8 [3, 16, 40]",
               '(channels, height, width) of 0 to 255', "'deep/0/cell': one of 20",
               "'deep/2': numbers of shape [8, 8]"):
    assert said in caplog.text


def test_the_environment_is_observed_as_the_config_says():
  config = point_mass_config.get_config()
  config.environment.observation, config.environment.image_size = 'both', 16
  with assembly.make_environment(config, num_envs=2, seed=0) as environment:
    assert environment.reset().observation['image'].shape == (2, 16, 16, 3)


def test_simulators_that_evaluate_come_after_those_that_collect_and_no_more_than_needed(monkeypatch):
  config = point_mass_config.get_config()
  config.environment.name, config.environment.num_envs = 'tests.environments.numbered:Numbered', 2
  config.environment.kwargs = {'port': '{5000+index}'}
  built, build = [], simulators.build
  monkeypatch.setattr(simulators, 'build', lambda *arguments: built.append(arguments[1]['port']) or build(*arguments))
  known = assembly.learn_facts(config, assembly.first_evaluated_place(config))
  evaluator = assembly.make_evaluator(config, 3, seed=0, known=known)
  found = evaluator.evaluate(policies.UniformRandomPolicy(known.spec), 100)
  evaluator.close()
  assert sorted(episode.observation[0, 0] for episode in found.episodes) == [5002, 5003, 5004]
  assert built == [5002, 5002, 5003, 5004]
  # On two hosts, those of both come before.
  assert assembly.first_evaluated_place(config, hosts=2) == 4


def test_a_policy_is_not_evaluated_where_it_would_see_or_do_something_else():
  config = point_mass_config.get_config()
  config.environment.name = 'tests.environments.acting_environments:Acting'
  config.environment.kwargs = {'kind': 'wheels'}
  known = assembly.learn_facts(config)
  assert assembly.learn_alike(config, known).spec.action == known.spec.action
  config.environment.kwargs = {'kind': 'table'}
  with pytest.raises(errors.UserError, match=r"(?s)trained for other.*action: .*\(5, 5\).*Received: environment.kwargs={'kind': 'table'}"):
    assembly.learn_alike(config, known)


@pytest.mark.parametrize('env_steps, offline, warns', [(500, False, True), (501, False, False),
                                                       (500, True, False)])
def test_a_run_that_is_all_random_play_is_warned_of(env_steps, offline, warns):
  config = shipped_configs.load(shipped_configs.names()['tdmpc2/vectors'])
  config.collect.random_env_steps = 500
  config.run.env_steps, config.run.offline = env_steps, offline
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    assembly.warn_of_random_play(config)
  assert len(caught) == warns and all('nothing is learned' in str(each.message) for each in caught)
