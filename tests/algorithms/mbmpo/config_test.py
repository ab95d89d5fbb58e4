"""Settings that cannot be used are refused, and the refusal says which."""

import pytest

from mbrl_tf import errors
from mbrl_tf.algorithms.mbmpo import config as config_lib


def make():
  config = config_lib.MBMPOConfig()
  config.environment.name = 'toy:point_mass'
  return config


def test_the_defaults_can_be_used():
  make().validate()


@pytest.mark.parametrize('part, field, value', [
    ('collect', 'capacity', 0), ('collect', 'random_action_hold', 0), ('collect', 'random_action_holds', (2, 0)),
    ('outcomes', 'hidden_sizes', (8, 0)), ('ensemble', 'members', 0), ('ensemble', 'batch_size', -1),
    ('ensemble', 'validation_fraction', 0.), ('ensemble', 'validation_fraction', 1.), ('ensemble', 'persistence', 1.1),
    ('ensemble', 'activation', 'sine'),
    ('ensemble', 'hidden_sizes', (8, 0)), ('ensemble', 'observation_margin', -0.1), ('policy', 'hidden_sizes', (0,)),
    ('policy', 'initial_std', 0.), ('imagination', 'horizon', 0), ('imagination', 'discount', 1.01),
    ('imagination', 'gae_lambda', -0.1), ('imagination', 'baseline_features', -1),
    ('imagination', 'buffer_starts', 1.5), ('imagination', 'buffer_starts', -0.1),
    ('meta', 'inner_steps', 0), ('meta', 'clip', 0.), ('meta', 'gradient_clip', -1.), ('run', 'keep_checkpoints', 0),
    ('environment', 'num_envs', 0), ('environment', 'parallel', 'threads'), ('environment', 'observation', 'images'),
    ('environment', 'worker_timeout_seconds', 0.), ('environment', 'image_size', 0), ('environment', 'camera', -2), ('environment', 'name', '')])
def test_what_cannot_be_used_is_named(part, field, value):
  config = make()
  setattr(getattr(config, part), field, value)
  with pytest.raises(errors.UserError) as caught:
    config.validate()
  message = str(caught.value)
  assert message.startswith(f'config.{part}.{field} ') and message.endswith(f'. Received: {part}.{field}={value!r}')
