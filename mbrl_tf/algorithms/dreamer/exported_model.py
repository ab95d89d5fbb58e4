"""The world model as it is exported: one step with an observation, one without, and what a state looks like."""

import tensorflow as tf

from mbrl_tf.models import observations, rssm


class ExportedModel(tf.Module):
  """`observe`, `imagine` and `decode`, each for a batch of states.

  A state is a pair of arrays, `deterministic` `[B, D]` and `stochastic` `[B, S]`. Actions are as
  `types.ActionSpec` says.
  Where `is_first` is true an episode begins with the observation, and neither state nor action is read.
  """

  def __init__(self, world_model, spec):
    """Makes the functions that a SavedModel keeps.

    Args:
      world_model: `WorldModel`.
      spec: `types.EnvironmentSpec`.
    """
    super().__init__(name='world_model')
    self.world_model = world_model
    initial = world_model.rssm.initial(1)
    state = [tf.TensorSpec([None, part.shape[-1]], tf.float32, name)
             for name, part in (('deterministic', initial.deterministic), ('stochastic', initial.stochastic))]
    action = tf.TensorSpec([None, *spec.action.shape], tf.as_dtype(spec.action.dtype), 'action')
    seed = tf.TensorSpec([2], tf.int32, 'seed')
    observation = observations.signature(spec.observation)
    is_first = tf.TensorSpec([None], tf.bool, 'is_first')
    self.observe = tf.function(self._observe, input_signature=[*state, action, is_first, observation, seed], autograph=False)
    self.imagine = tf.function(self._imagine, input_signature=[*state, action, seed], autograph=False)
    self.decode = tf.function(self._decode, input_signature=state, autograph=False)

  def _observe(self, deterministic, stochastic, action, is_first, observation, seed):
    """The next state, inferred from the observation that followed the action. Returns a dict like a state."""
    keep = 1 - tf.cast(is_first, tf.float32)[:, None]
    features = self.world_model.action_features(action) * keep
    noise = self._noise(stochastic, seed)
    state = self.world_model.rssm.state(deterministic * keep, stochastic * keep)
    prior = self.world_model.rssm.prior(state, features, noise[0])
    return _named(self.world_model.rssm.posterior(prior, self.world_model.encode(observation), noise[1]))

  def _imagine(self, deterministic, stochastic, action, seed):
    """The next state as the model expects it. Returns a dict like a state."""
    state = self.world_model.rssm.state(deterministic, stochastic)
    features, noise = self.world_model.action_features(action), self._noise(stochastic, seed)
    return _named(self.world_model.rssm.prior(state, features, noise[0]))

  def _decode(self, deterministic, stochastic):
    """A dict of the mean observation (images in [-0.5, 0.5], choices one-hot) under
    `observation/<key>`, `reward` `[B]`, and `continuation` `[B]`.

    The reward is of the decision that led to the state: where none did, at an episode's first, it says nothing.
    """
    features = rssm.features(self.world_model.rssm.state(deterministic, stochastic))
    decoded = {f'observation/{key}': value for key, value in self.world_model.decode(features).items()}
    return {**decoded, 'reward': self.world_model.expected_reward(features),
            'continuation': self.world_model.discount(features, 1.0)}

  def _noise(self, stochastic, seed):
    return self.world_model.rssm.noise([2, tf.shape(stochastic)[0]], seed)


def _named(state):
  return {'deterministic': state.deterministic, 'stochastic': state.stochastic}
