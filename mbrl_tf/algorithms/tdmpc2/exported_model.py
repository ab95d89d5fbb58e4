"""The world model as it is exported: a latent state, one step of it, and what it is worth."""

import tensorflow as tf

from mbrl_tf.models import observations


class ExportedModel(tf.Module):
  """`encode`, `imagine` and `evaluate`, each for a batch.

  A latent state is `[B, L]`. Actions are as `types.ActionSpec` says. An image has those before it
  in its channels, the oldest first.
  """

  def __init__(self, world_model, prior, spec):
    """Makes the functions that a SavedModel keeps.

    Args:
      world_model: `WorldModel`.
      prior: the policy prior.
      spec: `types.EnvironmentSpec`.
    """
    super().__init__(name='world_model')
    self.world_model, self.prior = world_model, prior
    latent = tf.TensorSpec([None, world_model.latent_size], tf.float32, 'latent')
    action = tf.TensorSpec([None, *spec.action.shape], tf.as_dtype(spec.action.dtype), 'action')
    observation = observations.signature(spec.observation, world_model.frames)
    self.encode = tf.function(self._encode, input_signature=[observation], autograph=False)
    self.imagine = tf.function(self._imagine, input_signature=[latent, action], autograph=False)
    self.evaluate = tf.function(self._evaluate, input_signature=[latent], autograph=False)

  def _encode(self, observation):
    """The latent state of an observation."""
    return {'latent': self.world_model.encode(observation)}

  def _imagine(self, latent, action):
    """The next latent state, the reward in its own unit, and the probability that the episode goes
    on."""
    world, features = self.world_model, self.world_model.action_features(action)
    following = world.next(latent, features)
    reward = world.reward_unit.value * world.reward(latent, features).mean()
    return {'latent': following, 'reward': reward,
            'continuation': 1 - tf.nn.sigmoid(world.termination_logits(following))}

  def _evaluate(self, latent):
    """The policy prior's action, as models read it, and the mean discounted return it is expected
    to bring."""
    action = self.prior.mode(latent)
    values = self.world_model.values(latent, action).mean()
    unit = self.world_model.reward_unit.value
    return {'action': action, 'value': unit * tf.reduce_mean(values, 0)}
