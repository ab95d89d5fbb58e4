"""What the world model predicts of real episodes, for those who want to understand it."""

import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.tdmpc2 import open_loop


class Predictor:
  """Unrolls the model along real actions; see `algorithms.base.Predictor`.

  A state is a latent one, and the real one is what the encoder makes of the observation.
  """

  def __init__(self, world_model, prior, terminates, horizon):
    """Only keeps its arguments.

    Args:
      world_model: `WorldModel`.
      prior: the policy prior.
      terminates: a boolean variable: whether an episode terminated so far. Before, the model of
        terminations has learned nothing, and nobody asks it.
      horizon: decisions that the model is unrolled for in learning.
    """
    self._world_model, self._prior, self._terminates = world_model, prior, terminates
    self.shown, self.horizon = world_model.frames, horizon
    self._compiled = tf.function(self._predict, autograph=False, reduce_retracing=True)
    self._compiled_act = tf.function(self._act, autograph=False, reduce_retracing=True)

  def predict(self, windows, seed):
    """See `algorithms.base.Predictor`; nothing is drawn."""
    del seed
    observation = tf.nest.map_structure(tf.constant, windows.observation)
    found = self._compiled(
        open_loop.stacked(self._world_model, observation), tf.constant(windows.action))
    return {'its prediction': types.Predictions(
        **{name: value.numpy() for name, value in found.items()})}

  def act(self, windows, decisions, seed):
    """See `algorithms.base.Predictor`: the policy prior samples; nothing is planned."""
    shown = tf.nest.map_structure(
        lambda value: tf.constant(value[:, :self.shown]), windows.observation)
    first = self._world_model.encode(open_loop.stacked(self._world_model, shown))[:, 0]
    found = self._compiled_act(first, tf.range(decisions), tf.constant(seed))
    return tuple(value.numpy()[None] for value in found)

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
    one_member = {'state': path, 'reward': self._rewards(before, features),
                  'going': self._going(path)}
    return {'real_state': real, **{name: value[None] for name, value in one_member.items()}}

  def _act(self, first, steps, seed):
    """What `act` returns `[B, H]`, from latents `[B, L]` and numbers of decisions `[H]`."""

    def step(before, t):
      latent = before[1]
      noise = self._prior.noise(
          [tf.shape(first)[0]], tf.random.experimental.stateless_fold_in(seed, t))
      action = self._prior.sample(latent, noise)[0]
      return self._rewards(latent, action), self._world_model.next(latent, action)

    rewards, path = tf.scan(step, steps, (tf.zeros_like(first[:, 0]), first))
    going = self._going(path)
    return tf.transpose(rewards), tf.transpose(tf.math.cumprod(going, 0, exclusive=True))

  def _rewards(self, latents, features):
    """In the task's unit, `[...]`."""
    world = self._world_model
    return world.reward_unit.value * world.reward(latents, features).mean()

  def _going(self, latents):
    """Probability that the step to a latent state did not terminate, `[...]`."""
    ends = tf.sigmoid(self._world_model.termination_logits(latents))
    return 1 - ends * tf.cast(self._terminates, tf.float32)
