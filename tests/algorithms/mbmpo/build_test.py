"""What cannot be built says why."""

import dataclasses

import pytest

from mbrl_tf import errors
from mbrl_tf import types
from mbrl_tf.algorithms.mbmpo import build
from mbrl_tf.algorithms.mbmpo import config

VECTOR = types.EnvironmentSpec(
    'my:task', types.ArraySpec((3,), 'float32'), types.ArraySpec((1,), 'float32'), 10, reward=lambda o, a, n: n[..., 0])


def test_a_missing_reward_function_says_how_to_write_one():
  with pytest.raises(errors.UserError) as caught:
    build.build(config.MBMPOConfig(), dataclasses.replace(VECTOR, reward=None), None, None, 0)
  assert 'def reward_function(observation, action, next_observation)' in str(caught.value)
  assert str(caught.value).endswith("Received: environment='my:task'")


@pytest.mark.parametrize('observation', [
    types.ArraySpec((4, 4, 3), 'uint8'), {'a': types.ArraySpec((2,), 'float32')}])
def test_observations_must_be_one_vector(observation):
  with pytest.raises(errors.UserError, match='one vector.*Received: my:task'):
    build.build(config.MBMPOConfig(), dataclasses.replace(VECTOR, observation=observation), None, None, 0)
