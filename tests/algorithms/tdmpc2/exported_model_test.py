"""What is exported of the world model is what the live one says."""

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf.algorithms.tdmpc2 import exported_model
from tests.algorithms.tdmpc2 import small

N = 3


@pytest.mark.parametrize('observation, choices', [('vector', None), ('both', 3), ('image', None)])
def test_exported_functions_are_those_of_the_model(observation, choices, tmp_path):
  spec, config = small.spec(observation, choices), small.config(model__frame_stack=2,
                                                                value__members=3)
  world, prior = small.models(spec, config)
  exported = exported_model.ExportedModel(world, prior, spec)
  tf.saved_model.save(exported, str(tmp_path))
  loaded = tf.saved_model.load(str(tmp_path))
  generator = np.random.default_rng(0)
  seen = small.draw_all(spec, (N,), generator)
  stack = lambda image: np.concatenate([image[::-1], image], -1)  # another image before it
  seen = ({**seen, 'image': stack(seen['image'])} if observation == 'both'
          else stack(seen) if observation == 'image' else seen)
  seen = tf.nest.map_structure(tf.constant, seen)
  latent = loaded.encode(seen)['latent']
  np.testing.assert_allclose(latent, world.encode(seen), rtol=1e-4, atol=1e-6)
  action = tf.constant(small.draw_actions(spec, (N,), generator))
  features = action if choices is None else tf.one_hot(action, choices)
  following = loaded.imagine(latent, action)
  after = world.next(latent, features)
  np.testing.assert_allclose(following['latent'], after, rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(following['reward'],
                             10 * world.reward(latent, features).mean().numpy(), rtol=1e-4,
                             atol=1e-4)
  odds = np.exp(world.termination_logits(after).numpy().astype(float))
  np.testing.assert_allclose(following['continuation'], 1 / (1 + odds), rtol=1e-4)
  told = loaded.evaluate(latent)
  np.testing.assert_allclose(told['action'], prior.mode(latent), rtol=1e-4, atol=1e-6)
  values = 10 * world.values(latent, prior.mode(latent)).mean().numpy()
  assert values.shape == (3, N) and told['value'].shape == (N,)
  np.testing.assert_allclose(told['value'], values.mean(0), rtol=1e-4, atol=1e-4)


def test_inputs_keep_the_names_of_their_keys_and_images_their_stack():
  spec = small.spec('both')
  world, prior = small.models(spec, small.config(model__frame_stack=3))
  signature = exported_model.ExportedModel(world, prior, spec).encode.input_signature[0]
  assert {key: each.name for key, each in signature.items()
         } == {key: f'observation/{key}' for key in spec.observation}
  assert signature['image'].shape == (None, 39, 39, 9) and signature['image'].dtype == tf.uint8
