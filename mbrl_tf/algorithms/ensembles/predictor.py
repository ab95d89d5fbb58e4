"""What an ensemble predicts of real episodes, for those who want to understand it."""

import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.ops import actions as actions_lib
from mbrl_tf.ops import replicas

MEANS, DRAWN = "members' means", 'with the noise of imagination'


class EnsemblePredictor:
  """Runs each member along real actions; see `algorithms.base.Predictor`, of which `act` is left to
  each algorithm.

  A state is the observation, in deviations of the data.
  """

  shown = 1

  def __init__(self, ensemble, observations, action, outcomes, horizon, member_noise):
    """Only keeps its arguments.

    Args:
      ensemble: `DynamicsEnsemble`.
      observations: `Observations`.
      action: `types.ActionSpec`.
      outcomes: `Outcomes`.
      horizon: decisions that are predicted in a row where the algorithm learns or plans.
      member_noise: whether what is imagined there is drawn, not a member's mean.
    """
    self._ensemble, self._observations, self._action = ensemble, observations, action
    self._outcomes, self._member_noise, self.horizon = outcomes, member_noise, horizon
    # Not by XLA: it runs a few times, and most shapes are new.
    self._compiled = tf.function(self._predict, autograph=False, reduce_retracing=True)

  def predict(self, windows, seed):
    """See `algorithms.base.Predictor`."""
    vectors = self._observations.joined(windows.observation)
    states = self._ensemble.observation_normalizer.normalize(vectors)
    actions = tf.constant(windows.action)
    actions = tf.cast(actions, tf.int32) if actions.dtype.is_integer else actions
    ways = {MEANS: False, **({DRAWN: True} if self._member_noise else {})}
    return {way: types.Predictions(
                real_state=states.numpy(), entries=self._observations.entries,
                **{name: value.numpy() for name, value in self._compiled(
                    states[:, 0], actions, tf.constant(seed), is_drawn).items()})
            for way, is_drawn in ways.items()}

  def videos(self, episodes):
    """No images are predicted."""
    del episodes
    return {}

  def _predict(self, start, actions, seed, is_drawn):
    """Fields of `types.Predictions` from states `[B, O]` and actions `[B, H, ...]`."""
    ensemble = self._ensemble
    unpacked = ensemble.unpack([replicas.rows(p) for p in ensemble.parameters])
    alike = lambda value: tf.repeat(value[None], ensemble.members, 0)  # for all members
    taken = actions_lib.clipped(self._action, actions)
    features = tf.transpose(self._outcomes.features(taken), [1, 0, 2])
    first = alike(start)
    noise = lambda step: tf.random.stateless_normal(
        tf.shape(first), tf.random.experimental.stateless_fold_in(seed, step)) if is_drawn else None
    following = lambda state, row: ensemble.next_state(
        unpacked, state, alike(row[0]), noise(row[1]))
    path = tf.scan(following, (features, tf.range(tf.shape(features)[0])), first)
    path = tf.transpose(path, [1, 2, 0, 3])
    before = tf.concat([first[:, :, None], path[:, :, :-1]], 2)
    reward, ends = self._paid(before, alike(taken), path)
    return {'state': path, 'reward': reward, 'going': 1 - ends,
            'std': ensemble.next_std(unpacked, first, alike(features[0]))}

  def _paid(self, states, actions, following):
    """Rewards and probabilities of an end `[K, B, H]` along states `[K, B, H, O]`."""
    flat = lambda value: tf.reshape(
        value, tf.concat([[value.shape[0], -1], tf.shape(value)[3:]], 0))
    expected = self._outcomes.expected(
        self._outcomes.unpack(), flat(states), flat(actions), flat(following))
    return [tf.reshape(value, tf.shape(states)[:3]) for value in expected]
