"""What cannot be built says why."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.algorithms.ensembles import parts as parts_lib
from mbrl_tf.algorithms.mbmpo import build
from mbrl_tf.algorithms.mbmpo import config
from mbrl_tf.training import checkpoint

VECTOR = types.EnvironmentSpec(
    'my:task', types.ArraySpec((3,), 'float32'), types.ActionSpec(1), 10, reward=lambda o, a, n: n[..., 0])


@pytest.mark.parametrize('given, learned, heads', [
    (('reward', 'terminated'), False, set()), (('reward',), False, {'termination'}), (('terminated',), False, {'reward'}),
    ((), False, {'reward', 'termination'}), (('reward', 'terminated'), True, {'reward', 'termination'})])
def test_what_a_task_has_no_function_for_is_learned_and_all_of_it_by_the_config(given, learned, heads):
  functions = {'reward': VECTOR.reward, 'terminated': lambda n: n[..., 0] > 1}
  spec = dataclasses.replace(VECTOR, **{name: functions[name] if name in given else None for name in functions})
  settings = config.MBMPOConfig(outcomes=config.OutcomesConfig(learned=learned, hidden_sizes=(5,)))
  parts = build.Parts(settings, spec, 0)
  made = {'reward': parts.reward_heads, 'termination': parts.termination_heads}
  assert {name for name, head in made.items() if head is not None} == heads
  for name in heads:
    assert [kernel.shape[-1] for kernel in made[name].kernels] == [5, 1]
    assert getattr(parts.outcome_fit, name).first_moments


def test_a_checkpoint_of_functions_is_refused_by_heads_and_left_alone(tmp_path):
  settings = config.MBMPOConfig(outcomes=config.OutcomesConfig(hidden_sizes=(5,)))
  settings.ensemble.hidden_sizes = (4,)
  spec = dataclasses.replace(VECTOR, terminated=lambda n: n[..., 0] > 1)
  checkpoint.Checkpointer(tmp_path, build.Parts(settings, spec, 0)).save()
  before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
  settings.outcomes.learned = True
  with pytest.raises(errors.UserError, match='does not fit this version of the algorithm.*Received: checkpoint='):
    checkpoint.Checkpointer(tmp_path, build.Parts(settings, spec, 0)).restore()
  assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize('observation, key', [
    (types.ArraySpec((4, 4, 3), 'uint8'), 'observation'),
    ({'a': types.ArraySpec((2,), 'float32'), 'eye': types.ArraySpec((16, 16, 1), 'uint8')}, 'eye')])
def test_images_are_refused_with_what_helps(observation, key):
  told = f"MB-MPO learns from vectors.*FilterObservation.*images='{key}=numbers'.*Received: my:task"
  with pytest.raises(errors.UserError, match=told):
    build.build(config.MBMPOConfig(), dataclasses.replace(VECTOR, observation=observation), None, None, 0)


def sum_with_numpy(observation, action, next_observation):
  del observation, action
  return np.sum(next_observation, -1)


@pytest.mark.parametrize('change, message', [
    ({'reward': sum_with_numpy}, r'reward_function.*\(2, 3, 3\), \(2, 3, 1\), \(2, 3, 3\).*It raised NotImplementedError'),
    ({'reward': lambda o, a, n: n}, r'reward_function.*It returned float32 of shape \(2, 3, 3\)'),
    ({'reward': lambda o, a, n: tf.cast(n[..., 0], tf.float64)}, r'It returned float64 of shape \(2, 3\)'),
    ({'reward': lambda o, a, n: None}, r'reward_function.*It returned None'),
    ({'reward': lambda o, a: 0.}, r'reward_function.*It raised TypeError'),
    ({'terminated': lambda n: n[..., 0]}, r'terminated_function.*return bool.*It returned float32 of shape \(2, 3\)'),
    ({'terminated': lambda n: n[..., :1] > 0}, r'terminated_function.*It returned bool of shape \(2, 3, 1\)')])
def test_functions_that_cannot_be_imagined_with_are_told_before_anything_is_collected(change, message):
  with pytest.raises(errors.UserError, match=f"(?s){message}.*Received: environment='my:task'"):
    build.build(config.MBMPOConfig(), dataclasses.replace(VECTOR, **change), None, None, 0)


def test_a_function_may_return_one_value_for_all_rows():
  spec = dataclasses.replace(
      VECTOR, reward=lambda o, a, n: 1.0, terminated=lambda n: tf.constant(False))
  parts_lib.require_batched(spec)


def test_the_config_reaches_the_parts():
  settings = config.MBMPOConfig()
  settings.ensemble = config.EnsembleConfig(
      members=2, hidden_sizes=(4,), activation='swish', weight_normalization=False, observation_margin=0.5, angles=(1,),
      find_angles=True)
  settings.policy = config.PolicyConfig(hidden_sizes=(5,), initial_std=0.25, min_std=0.2, normalize_observations=True)
  settings.collect.random_action_holds = (7,)
  settings.meta.kl_coefficient, settings.meta.kl_coefficient_max = 0.5, 0.5
  usual = build.Parts(settings, VECTOR, 0)
  settings.policy.output_scale = 0.01
  small = build.Parts(settings, VECTOR, 0)

  np.testing.assert_allclose(small.policy.kernels[-1], 0.01 * usual.policy.kernels[-1], rtol=1e-5)
  parameters = [tf.convert_to_tensor(p) for p in small.policy.parameters]
  np.testing.assert_allclose(small.policy.deviation(parameters), [0.25], rtol=1e-6)
  np.testing.assert_allclose(small.policy.deviation([*parameters[:-1], parameters[-1] - 5]), [0.2], rtol=1e-6)
  assert small.policy.normalizer is not None and [k.shape for k in small.policy.kernels] == [(3, 5), (5, 1)]

  ensemble, data = small.ensemble, np.random.default_rng(0).normal(size=[2, 9, 3]).astype(np.float32)
  assert not ensemble.lengths and [k.shape for k in ensemble.kernels] == [(2, 3 + 1 + 4, 4), (2, 4, 3)]
  ensemble.fit_normalizers(data[0], np.zeros([9, 1], np.float32), data[1])
  highest = data[1].max(0) + 0.5 * np.ptp(data[1], 0)
  in_deviations = (highest - data[0].mean(0)) / data[0].std(0)
  np.testing.assert_allclose(ensemble.upper_limit, in_deviations, rtol=1e-5)

  random, going_on = small.random_policy, ts.transition(tf.zeros([1, 3]), tf.zeros([1]))
  act, actions = tf.function(random.action, autograph=False), set()
  step = act(ts.restart(tf.zeros([1, 3]), 1), random.get_initial_state(1))
  for _ in range(2000):
    step = act(going_on, step.state)
    actions.add(float(step.action[0, 0]))
  assert 5 < 2000 / len(actions) < 10  # held for 7 decisions on average

  np.testing.assert_array_equal(small.meta_learner.kl_coefficients, [0.5, 0.5])
