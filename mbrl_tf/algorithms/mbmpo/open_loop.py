"""How far the ensemble's predictions drift from real episodes when it is fed its own predictions."""

import numpy as np
import tensorflow as tf

HORIZONS = (1, 5, 10, 20, 50, 100, 200)


class OpenLoop:
  """Runs each member along the actions of real episodes, from their first observation.

  Errors are in standard deviations of the observations that the ensemble was fitted to.
  """

  def __init__(self, ensemble, joined, action_features, episodes, horizon):
    """Compiles one program for a fixed number of episodes and steps.

    Args:
      ensemble: `DynamicsEnsemble`.
      joined: function from the observations of an episode to vectors `[T + 1, O]`.
      action_features: function from actions to what the ensemble is given.
      episodes: how many are compared at most; missing ones and missing steps are masked.
      horizon: steps compared at most.
    """
    self._ensemble, self._action_features = ensemble, action_features
    self._joined = joined
    self._episodes, self._horizon = episodes, horizon
    self._compiled = tf.function(self._drift, jit_compile=True, autograph=False)

  def errors(self, episodes):
    """Returns metrics of root mean squared error by horizon, and of the members' disagreement.

    Args:
      episodes: `types.Episode`s that the ensemble was not fitted to; where there are more than are compared, evenly
        spaced ones from the shortest to the longest, for the first to end would be the worst.

    Returns:
      A dict with `model/error_horizon_<h>` for each horizon that an episode reaches, and
      `model/disagreement_horizon_<h>`: the standard deviation across members. Nothing where there
      are no episodes.
    """
    if not episodes:
      return {}
    shape = (self._episodes, self._horizon)
    actions = np.zeros(shape + np.shape(episodes[0].action)[1:], episodes[0].action.dtype)
    states = np.zeros((shape[0], shape[1] + 1, self._ensemble.observation_size), np.float32)
    mask = np.zeros(shape, np.float32)
    for row, episode in enumerate(_evenly(episodes, self._episodes)):
      steps = min(len(episode.reward), self._horizon)
      actions[row, :steps] = episode.action[:steps]
      vectors = self._joined(episode.observation)[:steps + 1]
      states[row, :steps + 1] = self._ensemble.observation_normalizer.normalize(vectors)
      mask[row, :steps] = 1
    error, disagreement = (value.numpy() for value in self._compiled(states, actions, mask))
    metrics = {}
    for horizon in HORIZONS:
      if horizon <= self._horizon and mask[:, horizon - 1].any():
        metrics[f'model/error_horizon_{horizon}'] = float(error[horizon - 1])
        metrics[f'model/disagreement_horizon_{horizon}'] = float(disagreement[horizon - 1])
    return metrics

  def _drift(self, states, actions, mask):
    """Error and disagreement `[H]` from states `[B, H + 1, O]`, actions `[B, H, ...]` and mask
    `[B, H]`."""
    ensemble = self._ensemble
    unpacked = ensemble.unpack([tf.convert_to_tensor(p) for p in ensemble.parameters])
    features = tf.transpose(self._action_features(actions), [1, 0, 2])
    lead = [ensemble.members, 1, 1]
    start = tf.tile(states[None, :, 0], lead)
    following = lambda state, action: ensemble.next_state(
        unpacked, state, tf.tile(action[None], lead))
    predicted = tf.scan(following, features, start)
    # predicted [H, K, B, O] against the real states [H, B, O].
    real = tf.transpose(states[:, 1:], [1, 0, 2])
    squared = tf.reduce_mean(tf.square(predicted - real[:, None]), [1, 3])
    variance = tf.reduce_mean(tf.math.reduce_variance(predicted, axis=1), -1)
    weights = tf.transpose(mask)
    weights /= tf.maximum(tf.reduce_sum(weights, -1, keepdims=True), 1)
    return tf.sqrt(tf.reduce_sum(squared * weights, -1)), tf.sqrt(tf.reduce_sum(variance * weights, -1))


def _evenly(episodes, count):
  """At most `count` of the episodes, evenly spaced by length."""
  by_length = sorted(episodes, key=lambda episode: len(episode.reward))
  if len(by_length) <= count:
    return by_length
  return [by_length[i] for i in np.linspace(0, len(by_length) - 1, count).round().astype(int)]
