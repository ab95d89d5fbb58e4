"""What a transition pays, and whether the episode ends with it: networks beside those of the
dynamics.

Each member of an ensemble has its own, so that members that disagree about rewards disagree in what
they imagine.
"""

import numpy as np
import tensorflow as tf

from mbrl_tf.models import dynamics_ensemble, mlp, normalizer

_NEVER = -1e3  # a logit whose probability is 0
_MOST_SHIFT = 100.0  # of logits, in nats
_REWARD_LIMIT = 1000.0  # deviations of the data


class OutcomeHeads(tf.Module):
  """K perceptrons that tell one number of a transition: from the state, the action, and the change
  of state under it.

  All inputs are as the members have them, in deviations of the data. The state that follows is an
  input beside the change, although it is the sum of the two: thresholds of a place are learned from
  the one, speeds over a step from the other.
  """

  def __init__(self, ensemble, hidden_sizes, seed, activation='relu', name='outcome_heads'):
    """Makes the variables, each member with its own draw.

    Args:
      ensemble: the `DynamicsEnsemble`, whose normalizers these share.
      hidden_sizes: widths of the hidden layers.
      seed: int32 `[2]`.
      activation: a key of `dynamics_ensemble.ACTIVATIONS`.
      name: of the module.
    """
    super().__init__(name=name)
    self.members = ensemble.members
    self._ensemble, self._activation = ensemble, dynamics_ensemble.ACTIVATIONS[activation]
    input_size = ensemble.input_size + 2 * ensemble.observation_size
    layers = mlp.initial_layers([input_size, *hidden_sizes, 1], seed, ensemble.members)
    self.kernels = [tf.Variable(layer.kernel, name=f'kernel_{i}') for i, layer in enumerate(layers)]
    self.biases = [tf.Variable(layer.bias, name=f'bias_{i}') for i, layer in enumerate(layers)]

  @property
  def parameters(self):
    """All trained variables as a flat list of `[K, ...]`, in the order that `unpack` expects."""
    return [*self.kernels, *self.biases]

  def unpack(self, parameters):
    """For each member its list of `mlp.Layer`, of `parameters`, or of those of some of the
    members.
    """
    kernels, biases = parameters[:len(self.kernels)], parameters[len(self.kernels):]
    layers = [[mlp.Layer(*member) for member in zip(tf.unstack(k), tf.unstack(b))]
              for k, b in zip(kernels, biases)]
    return [list(member) for member in zip(*layers)]

  def inputs(self, states, actions, following):
    """What the networks read of imagined transitions, `[..., input_size]`.

    Args:
      states, following: `[..., O]`.
      actions: `[..., A]`: features of actions, see `ops.actions`.
    """
    changes = self._ensemble.change_normalizer.normalize(following - states)
    return tf.concat([self._ensemble.network_inputs(states, actions), changes, following], -1)

  def fitted_inputs(self, observations, actions, next_observations):
    """As `inputs`, of real transitions `[M, ...]` in the task's units; it reads the normalizers, as
    the losses must not, which several devices compute.
    """
    following = self._ensemble.observation_normalizer.normalize(next_observations)
    return tf.concat(
        [*self._ensemble.examples(observations, actions, next_observations), following], -1)

  def outputs(self, unpacked, inputs):
    """The number that each network tells, `[K, M]`, of inputs `[K, M, input_size]`."""
    # One product after the other, as in `DynamicsEnsemble.change_moments`.
    told = [mlp.apply(layers, x, self._activation)
            for layers, x in zip(unpacked, tf.unstack(inputs))]
    return tf.stack(told)[..., 0]

  def bounds_penalty(self, unpacked):
    """None, `[K]`: nothing here has bounds."""
    return tf.zeros([len(unpacked)])


class RewardHeads(OutcomeHeads):
  """K estimates of the expected reward of a transition, trained on the squared error in deviations
  of the rewards.

  The return is linear in rewards, so that nothing is gained by imagining how they scatter around
  what is expected.
  """

  def __init__(self, ensemble, hidden_sizes, seed, activation='relu', margin=0.0):
    """As `OutcomeHeads`.

    Args:
      ensemble, hidden_sizes, seed, activation: as there.
      margin: rewards stay inside the range of the real ones, widened at each side by this share of
        it; 0 keeps them inside a thousand deviations.
    """
    super().__init__(ensemble, hidden_sizes, seed, activation, name='reward_heads')
    self._margin = margin
    self.normalizer = normalizer.Normalizer(1)
    self.limits = tf.Variable([-_REWARD_LIMIT, _REWARD_LIMIT], trainable=False, name='limits')

  def fit_unit(self, rewards):
    """Sets unit and limits to those of the data, `[M]`, numpy; returns the rewards in that unit
    `[M, 1]`.
    """
    self.normalizer.fit(rewards[:, None])
    normalized = self.normalizer.normalize(rewards[:, None])
    if self._margin:
      lowest, highest = tf.reduce_min(normalized), tf.reduce_max(normalized)
      room = self._margin * (highest - lowest)
      self.limits.assign([lowest - room, highest + room])
    return normalized

  def losses_per_example(self, unpacked, examples, targets):
    """Squared errors `[K, M]`, in deviations of the rewards.

    Args:
      unpacked: what `unpack` returned.
      examples: `[K, M, input_size]`, as `fitted_inputs` returned them.
      targets: `[K, M, 1]`, as `fit_unit` returned them.
    """
    return tf.square(self.outputs(unpacked, examples) - targets[..., 0])

  def rewards(self, unpacked, inputs):
    """Rewards `[K, M]` in the task's unit, float32, of inputs `[K, M, input_size]`."""
    told = tf.clip_by_value(self.outputs(unpacked, inputs), self.limits[0], self.limits[1])
    return tf.cast(self.normalizer.denormalize(told[..., None])[..., 0], tf.float32)


class TerminationHeads(OutcomeHeads):
  """K estimates of the probability that a transition ends its episode, trained on the
  cross-entropy.

  Ends are rare: they are drawn so often that they are `LEAST_SHARE` of what a network learns from.
  What is added to its logits afterwards makes as many ends of held-out transitions as there were:
  the log-odds of the shares would do for a network that is sure, but to one that has seen few ends
  those that it has not seen are less likely than they are.
  """

  LEAST_SHARE = 0.25

  def __init__(self, ensemble, hidden_sizes, seed, activation='relu'):
    """As `OutcomeHeads`; before it is fitted, nothing ends."""
    super().__init__(ensemble, hidden_sizes, seed, activation, name='termination_heads')
    self.log_odds = tf.Variable(
        tf.fill([ensemble.members], _NEVER), trainable=False, name='log_odds')

  def drawn(self, rows, terminated, generators):
    """Rows with ends drawn so often that they are `LEAST_SHARE` of them, where there are any of
    both kinds.

    Args:
      rows: int `[K, R]` of the data, of which each member draws.
      terminated: bool `[M]`, of the data.
      generators: of each member's draws.

    Returns:
      int32 `[K, R]`.
    """
    return np.stack([self._drawn(own, terminated[own], generator)
                     for own, generator in zip(rows, generators)]).astype(np.int32)

  def _drawn(self, rows, ends, generator):
    wanted = max(1, round(self.LEAST_SHARE * len(rows)))
    if not ends.any() or ends.sum() >= wanted or len(rows) < 2:
      return rows
    # As evenly as can be: all of them as often as each other, but for the last round.
    often, rest = divmod(wanted, int(ends.sum()))
    drawn = np.concatenate(
        [np.repeat(rows[ends], often), generator.choice(rows[ends], rest, replace=False)])
    others = rows[~ends]
    return np.concatenate([drawn, generator.choice(others, len(rows) - wanted, replace=False)])

  def fit_shares(self, rows, drawn, terminated):
    """Adds the log-odds of the shares, of the rows that each member has and those that it learns
    from, int `[K, R]`.
    """
    shares = terminated[rows].mean(1), terminated[drawn].mean(1)
    with np.errstate(divide='ignore', invalid='ignore'):
      real, learned = (np.log(share) - np.log1p(-share) for share in shares)
      certain = np.where(shares[0] > 0.5, -_NEVER, _NEVER)
      shift = np.where(np.isfinite(real), real - learned, certain)
    self.log_odds.assign(shift.astype(np.float32))

  def calibrate(self, examples, rows, terminated):
    """Adds what makes as many ends of held-out transitions as there were, one number for all
    members, which hold out too few.

    Members that have learned of no end, or of nothing else, stay as `fit_shares` left them, as all
    do where no end is held out.

    Args:
      examples: `[M, input_size]`, numpy, as `fitted_inputs` returned them.
      rows: int `[K, V]`, which each member held out.
      terminated: bool `[M]`.
    """
    added = np.array(tf.convert_to_tensor(self.log_odds))
    unsure = np.flatnonzero(np.abs(added) < -_NEVER)
    ends = terminated[rows[unsure]]
    if not ends.any() or ends.all():
      return
    unpacked = self.unpack([tf.convert_to_tensor(p) for p in self.parameters])
    logits = np.stack([
        self.outputs([unpacked[k]], tf.constant(examples[rows[k]][None]))[0]
        for k in unsure]).astype(np.float64)
    lower, upper = -_MOST_SHIFT, _MOST_SHIFT
    for _ in range(50):  # bisection: the number of ends grows with what is added
      shift = (lower + upper) / 2
      too_many = np.mean(1 / (1 + np.exp(-(logits + shift)))) > ends.mean()
      lower, upper = (lower, shift) if too_many else (shift, upper)
    added[unsure] = shift
    self.log_odds.assign(added)

  def losses_per_example(self, unpacked, examples, targets):
    """Cross-entropies `[K, M]` in nats, of the data as they are drawn.

    Args:
      unpacked: what `unpack` returned.
      examples: `[K, M, input_size]`, as `fitted_inputs` returned them.
      targets: `[K, M, 1]`: 1 where the episode ended, and 0 elsewhere.
    """
    logits = self.outputs(unpacked, examples)
    return tf.nn.sigmoid_cross_entropy_with_logits(targets[..., 0], logits)

  def logits(self, unpacked, log_odds, inputs):
    """Log-odds `[K, M]` that an episode ends with the transition.

    Args:
      unpacked: what `unpack` returned.
      log_odds: `[K]`, the variable, or that of some of the members.
      inputs: `[K, M, input_size]`.
    """
    return self.outputs(unpacked, inputs) + log_odds[:, None]
