"""What the world model predicts of real episodes, for those who want to understand it."""

import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.tdmpc2 import open_loop


class Predictor:
  """Unrolls the model along real actions; see `algorithms.base.Predictor`.

  A state is a latent one, and the real one is what the encoder makes of the observation.
  """

  def __init__(self, world_model, terminates, horizon):
    """Only keeps its arguments.

    Args:
      world_model: `WorldModel`.
      terminates: a boolean variable: whether an episode terminated so far. Before, the model of
        terminations has learned nothing, and nobody asks it.
      horizon: decisions that the model is unrolled for in learning.
    """
    self._world_model, self._terminates = world_model, terminates
    self.shown, self.horizon = world_model.frames, horizon
    self._compiled = tf.function(self._predict, autograph=False, reduce_retracing=True)

  def predict(self, windows, seed):
    """See `algorithms.base.Predictor`; nothing is drawn."""
    del seed
    observation = tf.nest.map_structure(tf.constant, windows.observation)
    found = self._compiled(
        open_loop.stacked(self._world_model, observation), tf.constant(windows.action))
    return {'latent states': types.Predictions(
        **{name: value.numpy() for name, value in found.items()})}

  def videos(self, episodes):
    """No images are predicted: there is no decoder."""
    del episodes
    return {}

  def _predict(self, observation, actions):
    """Fields of `types.Predictions` from observations `[B, 1 + H, ...]` and actions `[B, H,
    ...]`."""
    world = self._world_model
    real, features = world.encode(observation), world.action_features(actions)
    time_first = tf.transpose(features, [1, 0, 2])
    path = tf.transpose(tf.scan(world.next, time_first, real[:, 0]), [1, 0, 2])
    before = tf.concat([real[:, :1], path[:, :-1]], 1)
    reward = world.reward_unit.value * world.reward(before, features).mean()
    ends = tf.sigmoid(world.termination_logits(path)) * tf.cast(self._terminates, tf.float32)
    one_member = {'state': path, 'reward': reward, 'going': 1 - ends}
    return {'real_state': real, **{name: value[None] for name, value in one_member.items()}}
