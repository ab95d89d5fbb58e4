"""An update by hand, which loss moves what, and that a compiled step is the eager one."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.ops import actions
from tests.algorithms.tdmpc2 import small

B, H = small.B, small.H
SEED = tf.constant([1, 2])
SETTINGS = {
    'published': small.PUBLISHED,
    'first step, three rewards': {},
    'between': {'value__steps': 2, 'value__returns': 2, 'value__policy_steps': 3,
                'value__members': 5},
    'imagined': {'value__policy_steps': 2, 'policy__imagined_steps': 2, 'value__members': 3,
                 'policy__sequence_stride': 2}}
# Where the sequences of `small.batch` end.
ENDS = {1: 2, 2: 0, 3: 0}    # sequence to the first step that counts nothing
TERMINATED = {1: 1}          # sequence to the step after which its episode terminated


def softmax(logits):
  powers = np.exp(logits - logits.max(-1, keepdims=True))
  return powers / powers.sum(-1, keepdims=True)


def bins_of(config):
  places = np.linspace(-config.model.bin_limit, config.model.bin_limit, config.model.bins)
  return np.sign(places) * np.expm1(np.abs(places))


def two_hot_mean(logits, config):
  return softmax(logits) @ bins_of(config)


def cross_entropy(logits, value, config):
  """Of one number, against the two bins around it."""
  bins = bins_of(config)
  value = np.clip(value, bins[0], bins[-1])
  low = min(int(np.searchsorted(bins, value, side='right')) - 1, len(bins) - 2)
  share = (value - bins[low]) / (bins[low + 1] - bins[low])
  logs = np.log(softmax(logits))
  return -((1 - share) * logs[low] + share * logs[low + 1])


def joined(*parts):
  return tf.concat(parts, -1)[None]


class ByHand:
  """The losses of a batch by loops over sequences and steps, of single outputs of the networks."""

  def __init__(self, world, prior, config, batch, noise, scale=1.0, entropy_scale=1e-2,
               curiosity=0.0, error_units=(1.0, 1.0, 1.0)):
    self.world, self.prior, self.config, self.noise = world, prior, config, noise
    self.units = float(world.reward_unit.value)
    self.observation = lambda row, t: tf.nest.map_structure(lambda value: value[row, t], batch.
                                                            observation)
    self.actions = world.action_features(batch.action)
    self.rewards = batch.reward.numpy() / self.units
    found = dict.fromkeys(('consistency', 'reward', 'value', 'termination', 'policy'), 0.0)
    self.values, self.entropies, self.targets = [], [], {}
    self.worth = self.rewards + curiosity * (1 - small.DISCOUNT) * self.novelty(error_units)
    for row in range(B):
      latents = self.unroll(row)
      for t in range(H):
        if t >= ENDS.get(row, H):
          break
        weight = config.model.rho**t
        error = np.mean((latents[t + 1] - self.encoded(row, t + 1)).numpy() ** 2)
        found['consistency'] += weight * error / (H * B)
        features = joined(latents[t], self.actions[row, t + 1])
        reward = world.reward_model(features)[0].numpy().astype(np.float64)
        found['reward'] += weight * cross_entropy(reward, self.rewards[row, t + 1],
                                                  config) / (H * B)
        logit = float(world.termination_model(latents[t + 1][None])[0, 0])
        ended = TERMINATED.get(row) == t
        found['termination'] += weight * np.logaddexp(0, -logit if ended else logit) / (H * B)
        if t < config.value.steps:
          self.targets[t, row] = self.target(row, t)
          for member in world.value_model(features)[:, 0].numpy().astype(np.float64):
            found['value'] += weight * cross_entropy(member, self.targets[t, row], config) / (
                config.value.steps * B * world.members)
      stride = config.policy.sequence_stride
      for t in range(0 if row % stride else config.value.policy_steps):
        value, entropy = self.judged(latents[t], t, row)
        self.entropies.append(entropy)
        if t == 0:
          self.values.append(value)
        # Nothing is to be decided beyond an end, or where the episode has terminated.
        reached = t == 0 or t - 1 < ENDS.get(row, H)
        ended = row == 3 if t == 0 else TERMINATED.get(row) == t - 1
        if reached and not ended:
          worth = value / max(scale, 1) + entropy_scale * entropy
          found['policy'] -= config.model.rho**t * worth * stride / (config.value.policy_steps * B)
    self.losses = found

  def encoded(self, row, t):
    return self.world.encode(
        tf.nest.map_structure(lambda value: value[None], self.observation(row, t)))[0]

  def novelty(self, units):
    """Of what followed each step, as rewards stand: `[B, H + 1]`, the first means nothing."""
    found = np.zeros((B, H + 1))
    for row in range(B):
      for t in range(ENDS.get(row, H)):
        error = np.mean((self.unroll(row)[t + 1] - self.encoded(row, t + 1)).numpy() ** 2)
        found[row, t + 1] = 1 - 2 * units[t] / (error + units[t])
    return found

  def unroll(self, row):
    latents = [self.encoded(row, 0)]
    for t in range(H):
      latents.append(self.world.next(latents[-1][None], self.actions[row, t + 1][None])[0])
    return latents

  def target(self, row, first):
    """Rewards of one episode, then the least of the drawn slow models."""
    total, discount, last = 0.0, 1.0, first
    for step in range(first, first + self.config.value.returns):
      if step >= ENDS.get(row, H):
        break
      total, last = total + discount * self.worth[row, step + 1], step
      discount *= small.DISCOUNT
      if TERMINATED.get(row) == step:
        return total
    latent = self.encoded(row, last + 1)
    action = self.prior.sample(latent[None], self.noise.following[first, row][None])[0][0]
    logits = self.world.slow_value_model(joined(latent, action))[:, 0].numpy().astype(np.float64)
    drawn = range(len(logits)) if self.noise.targets is None else self.noise.targets.numpy()
    return total + discount * min(two_hot_mean(logits[member], self.config) for member in drawn)

  def judged(self, latent, t, row):
    """What the policy's actions bring, and the mean entropy. Of a choice whose values are judged
    one by one it is the mean over them."""
    noise = self.noise.acting[:, t, row // self.config.policy.sequence_stride]
    action, entropy = self.prior.sample(latent[None], noise[:1])
    if self.prior.enumerates:
      logits = self.prior(latent[None])[0].numpy().astype(np.float64)
      brought = [self.brought(latent, value[None], noise)[0]
                 for value in np.eye(len(logits), dtype='f')]
      return softmax(logits) @ brought, float(entropy[0])
    total, later = self.brought(latent, action, noise)
    return total, np.mean([float(entropy[0]), *later])

  def brought(self, latent, action, noise):
    """Rewards of the imagined steps, then the mean of the drawn models; and later entropies."""
    total, factor, entropies = 0.0, 1.0, []
    for step in range(1, self.config.policy.imagined_steps + 1):
      reward = self.world.reward_model(joined(latent, action[0]))[0].numpy().astype(np.float64)
      total += factor * two_hot_mean(reward, self.config)
      latent = self.world.next(latent[None], action)[0]
      factor *= small.DISCOUNT / (1 +
                                  np.exp(float(self.world.termination_model(latent[None])[0, 0])))
      action, entropy = self.prior.sample(latent[None], noise[step][None])
      entropies.append(float(entropy[0]))
    logits = self.world.value_model(joined(latent, action[0]))[:, 0].numpy().astype(np.float64)
    drawn = range(len(logits)) if self.noise.values is None else self.noise.values.numpy()
    values = [two_hot_mean(logits[member], self.config) for member in drawn]
    return total + factor * np.mean(values), entropies


@pytest.mark.parametrize('choices, enumerated', [(None, 0), (3, 0), (3, 3)])
@pytest.mark.parametrize('settings', SETTINGS)
def test_all_losses_of_a_batch_are_those_by_hand(settings, choices, enumerated):
  spec = small.spec(choices=choices)
  config = small.config(**SETTINGS[settings], policy__enumerated_choices=enumerated)
  tested, world, prior = small.make_learner(spec, config)
  world.assign_slow(0.0)
  small.moved(world.slow_value_model, 9)
  tested.value_scale.assign(2.0)
  batch = small.batch(spec)
  noise = tested.noise(batch, SEED)
  found = tested.found(batch, noise)
  expected = ByHand(world, prior, config, batch, noise, 2.0)
  for name, value in expected.losses.items():
    told = found.losses['policy'] if name == 'policy' else found.metrics[f'model/{name}_loss']
    assert float(told) == pytest.approx(value, rel=2e-4), name
  scales = {
      name: getattr(config.model, f'{name}_scale')
      for name in ('consistency', 'reward', 'value', 'termination')
  }
  total = sum(scale * expected.losses[name] for name, scale in scales.items())
  assert float(found.losses['model']) == pytest.approx(total, rel=2e-4)
  np.testing.assert_allclose(found.values, expected.values, rtol=1e-3, atol=1e-4)
  assert float(found.metrics['policy/entropy']) == pytest.approx(np.mean(expected.entropies),
                                                                 rel=1e-3)
  # What is told is in the unit of rewards, 10.
  assert float(found.metrics['value/mean']) == pytest.approx(10 * np.mean(expected.values),
                                                             rel=1e-3, abs=1e-4)
  without = tested.found(batch, noise, terminates=False)
  assert 'model/termination_loss' not in without.metrics
  assert float(without.losses['model']) == pytest.approx(total - expected.losses['termination'],
                                                         rel=2e-4)


def test_the_curious_add_novelty_to_the_targets_of_values_and_to_nothing_else():
  spec, config = small.spec(), small.config()
  tested, world, prior = small.make_learner(spec, config)
  batch = small.batch(spec)
  noise = tested.noise(batch, SEED)
  plain = tested.found(batch, noise).metrics
  units = (0.01, 0.02, 0.03)
  tested.curiosity.assign(0.7)
  tested.error_units.assign(units)
  found = tested.found(batch, noise).metrics
  expected = ByHand(
      world, prior, config, batch, noise, curiosity=0.7, error_units=units).losses
  assert expected['value'] != pytest.approx(float(plain['model/value_loss']), rel=1e-2)
  for name in ('consistency', 'reward', 'value', 'termination'):
    assert float(found[f'model/{name}_loss']) == pytest.approx(expected[name], rel=2e-4), name
  assert float(found['policy/loss']) == float(plain['policy/loss'])


def test_the_unit_of_novelty_is_where_a_batch_has_none_on_average():
  spec = small.spec()
  tested, world, _ = small.make_learner(spec, small.config())
  batch = small.batch(spec)
  found = tested.found(batch, tested.noise(batch, SEED))
  expected = np.zeros(H)
  for row in range(B):
    latent = world.encode(batch.observation[row, :1])
    for t in range(ENDS.get(row, H)):
      latent = world.next(latent, batch.action[row, t + 1][None])
      after = world.encode(batch.observation[row, t + 1][None])
      expected[t] += np.mean((latent - after).numpy() ** 2) / B
  np.testing.assert_allclose(found.errors, expected, rtol=1e-4)
  tested._follow_errors(found.errors, found.novelty)  # of which there is none yet
  np.testing.assert_array_equal(found.novelty, [0.0] * H)
  np.testing.assert_allclose(tested.error_units, expected, rtol=1e-4)
  tested._follow_errors(tf.zeros([H]), tf.constant([1.0, np.nan, -0.5]))
  np.testing.assert_allclose(
      tested.error_units, expected * np.exp([0.05, 0.0, -0.025]), rtol=1e-4)
  for factor, direction in ((100.0, -1), (0.01, 1)):
    tested.error_units.assign(factor * expected)
    found = tested.found(batch, tested.noise(batch, SEED))
    tested._follow_errors(found.errors, found.novelty)
    assert (direction * (tested.error_units - factor * expected) > 0).numpy().all()


def test_what_is_no_number_counts_nothing_where_nobody_is_curious():
  spec = small.spec()
  tested, _, _ = small.make_learner(spec, small.config())
  major = tf.nest.map_structure(
      lambda value: tf.transpose(value, [1, 0, *range(2, value.shape.rank)]), small.batch(spec))
  noise = tested.noise(small.batch(spec), SEED)
  following, novelty = tf.zeros([H, B, 16]), tf.fill([H, B], np.nan)
  targets = tested._targets(major, major.reward[1:], novelty, following, noise)
  assert np.isfinite(targets).all()
  tested.curiosity.assign(0.1)
  targets = tested._targets(major, major.reward[1:], novelty, following, noise)
  assert np.isnan(targets).any()


def snapshot(variables):
  return [variable.numpy() for variable in variables]


def moved(before, variables):
  return [(old != new.numpy()).any() for old, new in zip(before, variables, strict=True)]


def parts_of(world, prior):
  """The variables of each model."""
  names = ('encoder', 'dynamics', 'reward_model', 'termination_model', 'value_model',
           'slow_value_model')
  return {
      **{name: getattr(world, name).trainable_variables for name in names}, 'prior':
          prior.trainable_variables, 'convolutions': [
              v for model in world.convolutions.values() for v in model.trainable_variables
          ]
  }


@pytest.mark.parametrize('action', [small.MIXED, types.ActionSpec(choices=(2, 3))])
def test_the_gradient_of_choices_is_on_average_that_of_the_mean_over_all_that_can_be_chosen(action):
  """Independently: all joint choices, each with its probability, and nothing drawn of them."""
  spec, config = small.spec(choices=action), small.config()
  tested, world, prior = small.make_learner(spec, config)
  latents = tf.repeat(world.encode(small.batch(spec).observation[:1, 0])[None], 4000, 1)
  noise = tested.noise(small.batch(spec), SEED)
  noise = noise._replace(acting=prior.noise([1, 1, 4000], tf.constant([5, 6])))
  with tf.GradientTape() as tape:
    values, _ = tested._expected(latents, noise, terminates=True)
    told = tf.reduce_mean(values)
  with tf.GradientTape() as all_tape:
    numbers, _ = actions.split(action, prior.sample(latents[0], noise.acting[0, 0])[0])
    each = actions.sums  # of the log-probabilities of one joint choice
    logs = tf.math.log(prior.probabilities(latents[0]))
    expected = 0.0
    for joint in itertools.product(*(range(count) for count in action.choices)):
      chosen = tf.repeat(actions.one_hots(action, tf.constant([joint])), 4000, 0)
      probability = tf.exp(tf.reduce_sum(each(action, chosen * logs), -1))
      features = actions.join(numbers, chosen)
      brought, _ = tested._brought(latents, features[None], noise, terminates=True)
      expected += tf.reduce_mean(probability * brought[0])
  assert float(told) == pytest.approx(float(expected), rel=0.05, abs=0.02)
  found = tape.gradient(told, prior.trainable_variables)
  by_all = all_tape.gradient(expected, prior.trainable_variables)
  off = tf.linalg.global_norm([one - other for one, other in zip(found, by_all)])
  assert float(off) < 0.1 * float(tf.linalg.global_norm(by_all))


# What each loss moves; the policy's reads the value models, but their gradient is not taken.
MOVES = {'model/consistency_loss': {'encoder', 'dynamics', 'convolutions'},
         'model/reward_loss': {'encoder', 'dynamics', 'reward_model', 'convolutions'},
         'model/value_loss': {'encoder', 'dynamics', 'value_model', 'convolutions'},
         'model/termination_loss': {'encoder', 'dynamics', 'termination_model', 'convolutions'},
         'policy/loss': {'prior', 'value_model'}}


def test_the_policy_learns_through_the_model_where_it_acts_in_it_for_some_steps():
  spec, config = small.spec(), small.config(policy__imagined_steps=2, learner__learning_rate=0.01)
  tested, world, prior = small.make_learner(spec, config)
  batch = small.batch(spec)
  noise = tested.noise(batch, SEED)
  gradients = tested.found(batch, noise).gradients['policy']
  # Along the gradient the loss changes by its norm for each unit of length.
  size = 1e-3 / float(tf.linalg.global_norm(gradients))
  told = []
  for sign in (1, -2):
    for variable, gradient in zip(prior.trainable_variables, gradients):
      variable.assign_add(sign * size * gradient)
    told.append(float(tested.found(batch, noise).losses['policy']))
  assert (told[0] - told[1]) / 2 == pytest.approx(1e-3 * float(tf.linalg.global_norm(gradients)),
                                                  rel=0.1)


@pytest.mark.parametrize('settings', ['published', 'between'])
def test_gradients_of_each_loss_reach_these_models_and_no_others(settings):
  """Targets and the latents that the policy reads send none: a tape around all would show it."""
  spec, config = small.spec('both'), small.config(**SETTINGS[settings])
  tested, world, prior = small.make_learner(spec, config)
  batch = small.batch(spec, length=H + 2)
  with tf.GradientTape(persistent=True) as tape:
    found = tested.found(batch, tested.noise(batch, SEED))
  for loss, reached in MOVES.items():
    for name, gradients in tape.gradient(found.metrics[loss], parts_of(world, prior)).items():
      if name in reached:
        assert all(
            np.abs(tf.convert_to_tensor(gradient)).max() > 0 for gradient in gradients), (loss,
                                                                                          name)
      else:
        assert all(gradient is None for gradient in gradients), (loss, name)


def test_targets_send_no_gradient():
  spec = small.spec()
  tested, world, _ = small.make_learner(spec, small.config())
  batch = small.batch(spec)
  major = tf.nest.map_structure(
      lambda value: tf.transpose(value, [1, 0, *range(2, value.shape.rank)]), batch)
  with tf.GradientTape() as tape:
    following = world.encode(major.observation[1:])
    targets = tested._targets(
        major, major.reward[1:], tf.zeros([H, B]), following, tested.noise(batch, SEED))
  assert all(gradient is None for gradient in tape.gradient(targets, world.trainable_variables))


def test_a_step_takes_the_gradients_that_were_found_and_each_part_is_moved_by_its_own_loss():
  spec, settings = small.spec(), {'learner__learning_rate': 0.01, 'learner__gradient_clip': 1e6}
  after = {}
  for name, scale in (('both', 1.0), ('policy alone', 0.0)):
    scales = {
        f'model__{loss}_scale': scale for loss in ('consistency', 'reward', 'value', 'termination')
    }
    tested, world, prior = small.make_learner(spec, small.config(**settings, **scales))
    before, slow = snapshot(world.learned_variables), snapshot(
        world.slow_value_model.trainable_variables)
    policy_before, batch = snapshot(prior.trainable_variables), small.batch(spec)
    found = tested.found(batch, tested.noise(batch, SEED))
    tested.step(batch, SEED)
    assert all(moved(policy_before, prior.trainable_variables))
    assert moved(before, world.learned_variables) == [bool(scale)] * len(before), name
    # The first step of Adam is the learning rate against the sign of the gradient.
    pairs = [(policy_before, prior.trainable_variables, found.gradients['policy'])]
    if scale:
      pairs.append((before, world.learned_variables, found.gradients['model']))
      # The slow values go a hundredth of the way towards where the others are after the step.
      for old, new, fast in zip(slow, world.slow_value_model.trainable_variables,
                                world.value_model.trainable_variables):
        np.testing.assert_allclose(new, old + 0.01 * (fast.numpy() - old), rtol=1e-5, atol=1e-7)
    for olds, news, gradients in pairs:
      for old, new, gradient in zip(olds, news, gradients):
        gradient = tf.convert_to_tensor(gradient).numpy()
        clear = np.abs(gradient) > 1e-4
        np.testing.assert_allclose((new.numpy() - old)[clear], -0.01 * np.sign(gradient[clear]),
                                   rtol=0.05)
    after[name] = snapshot(prior.trainable_variables)
  for one, other in zip(after['both'], after['policy alone']):
    np.testing.assert_array_equal(
        one, other)  # the policy's gradient is that of the model before the step


@pytest.mark.parametrize('rate', [0.01, 1.0])
def test_slow_values_go_their_share_of_the_way(rate):
  world, _ = small.models(small.spec(), small.config())
  small.moved(world.slow_value_model, 7)
  slow, fast = (
      snapshot(model.trainable_variables) for model in (world.slow_value_model, world.value_model))
  world.assign_slow(rate)
  for old, to, new in zip(slow, fast, world.slow_value_model.trainable_variables):
    np.testing.assert_allclose(new, (1 - rate) * old + rate * to, rtol=1e-5, atol=1e-6)


def test_what_lies_beyond_the_end_of_an_episode_does_not_matter():
  spec, config = small.spec(), small.config(**small.PUBLISHED)
  tested, _, _ = small.make_learner(spec, config)
  batch, other = small.batch(spec), small.batch(spec, seed=1)
  noise = tested.noise(batch, SEED)
  beyond = np.zeros((B, H + 1), bool)
  for row, end in ENDS.items():
    beyond[row, end + 1:] = True
  mixed = lambda a, b: tf.where(beyond.reshape(B, H + 1, *[1] * (a.shape.rank - 2)), b, a)
  changed = batch._replace(observation=mixed(batch.observation, other.observation),
                           action=mixed(batch.action, other.action),
                           reward=mixed(batch.reward, other.reward + 100))
  found, expected = tested.found(changed, noise), tested.found(batch, noise)
  for part in ('model', 'policy'):
    assert float(found.losses[part]) == float(expected.losses[part])
    for one, two in zip(found.gradients[part], expected.gradients[part]):
      np.testing.assert_allclose(tf.convert_to_tensor(one), tf.convert_to_tensor(two), rtol=1e-5,
                                 atol=1e-8)


def test_after_a_termination_no_value_counts_and_after_a_truncation_one_does():
  spec, config = small.spec(), small.config(value__returns=1)
  tested, world, _ = small.make_learner(spec, config)
  batch = small.batch(spec)._replace(
      is_first=tf.zeros([B, H + 1], tf.bool),
      terminated=tf.constant(np.arange(B * (H + 1)).reshape(B, H + 1) == H +
                             2))  # of the second sequence, after its first step
  major = tf.nest.map_structure(
      lambda value: tf.transpose(value, [1, 0, *range(2, value.shape.rank)]), batch)
  rewards, noise = major.reward[1:] / 10, tested.noise(batch, SEED)
  given = major, rewards, tf.zeros([H, B]), world.encode(major.observation[1:]), noise
  first = tested._targets(*given).numpy()[0]
  small.moved(world.slow_value_model, 11)
  second = tested._targets(*given).numpy()[0]
  assert first[1] == second[1] == rewards[0, 1].numpy() and (first != second).tolist() == [
      True, False, True, True
  ]


@pytest.mark.parametrize('entropy, direction', [(5.0, -1), (-5.0, 1), (-1.5, 1), (-0.5, -1)])
def test_the_weight_of_the_entropy_rises_where_it_is_missing_and_falls_where_there_is_enough(
    entropy, direction):
  """Two numbers of an action, -0.5 nats wanted for each: -1 together."""
  tested, _, _ = small.make_learner(small.spec(), small.config(policy__entropy_rate=0.1))
  before = float(tested.log_entropy_scale)
  tested._follow(tf.zeros([B]), tf.constant(entropy))
  assert float(tested.log_entropy_scale) - before == pytest.approx(
      0.1 * np.clip((-1 - entropy) / 2, -1, 1), rel=1e-4)
  assert np.sign(float(tested.log_entropy_scale) - before) == direction


SHARES = np.array([0.5, 0.4, 0.2, 0.1, 0.1])


@pytest.mark.parametrize('choices, wanted, unit', [
    (None, [-2.0, -3.5, -6.5, -8.0, -8.0], [2.0] * 5),
    (8, np.log(8) * SHARES, np.log(8) * SHARES),
    (small.MIXED, np.log(12) * SHARES - [2.0, 3.5, 6.5, 8.0, 8.0], np.log(12) * SHARES + 2.0)])
def test_the_entropy_that_is_wanted_falls_evenly_and_then_stays(choices, wanted, unit):
  """In four updates, of two numbers from -2 nats to -8, of choices from half of the largest to a
  tenth; a nat for each number, or all that is wanted of choices, is what counts fully."""
  tested, _, _ = small.make_learner(small.spec(choices=choices), small.config(
      policy__target_entropy=-1.0, policy__last_target_entropy=-4.0, policy__entropy_updates=4,
      policy__target_entropy_share=0.5, policy__last_target_entropy_share=0.1))
  found = []
  for updates in (0, 1, 3, 4, 100):
    tested.trainers['policy'].optimizer.iterations.assign(updates)
    found.append(tested._wanted_entropy())
  np.testing.assert_allclose(found, np.stack([wanted, unit], -1), rtol=1e-5)


def test_the_weight_of_the_entropy_stays_within_its_bounds_and_forgets_what_is_no_number():
  tested, _, _ = small.make_learner(small.spec(), small.config(
      policy__entropy_rate=1.0, policy__entropy_scale_min=1e-3, policy__entropy_scale_max=0.5))
  for entropy, bound in ((-100.0, 0.5), (100.0, 1e-3)):
    for _ in range(10):
      tested._follow(tf.zeros([B]), tf.constant(entropy))
    assert np.exp(float(tested.log_entropy_scale)) == pytest.approx(bound, rel=1e-4)
  scale = float(tested.value_scale)
  tested._follow(tf.constant([np.nan] * B), tf.constant(np.nan))
  tested._follow(tf.constant([np.inf] * B), tf.constant(np.inf))
  assert np.exp(float(tested.log_entropy_scale)) == pytest.approx(1e-3, rel=1e-4) and float(
      tested.value_scale) == scale


def test_the_unit_of_values_follows_their_range():
  tested, _, _ = small.make_learner(small.spec(), small.config(policy__scale_rate=0.25))
  tested._follow(tf.constant(np.linspace(0, 200, 101)[::-1], tf.float32), tf.constant(0.0))
  assert float(tested.value_scale) == pytest.approx(1 + 0.25 * (180 - 1), rel=1e-5)


def test_a_part_whose_loss_is_not_finite_is_left_as_it_was_and_told():
  tested, world, prior = small.make_learner(small.spec(), small.config())
  batch = small.batch(small.spec())
  model, policy = snapshot(world.learned_variables), snapshot(prior.trainable_variables)
  told = tested.step(batch._replace(reward=tf.fill(batch.reward.shape, np.nan)), SEED)
  assert not any(moved(model, world.learned_variables)) and all(
      moved(policy, prior.trainable_variables))
  assert float(told['model/skipped_share']) == 1 and float(told['policy/skipped_share']) == 0
  assert not np.isfinite(told['model/loss']) and np.isfinite(told['policy/loss'])
  tested.step(batch, SEED)
  assert all(moved(model, world.learned_variables)) and all(
      np.isfinite(v).all() for v in world.trainable_variables)


def test_observations_that_are_no_numbers_leave_everything():
  spec = small.spec()
  tested, world, prior = small.make_learner(spec, small.config())
  for slow, fast in zip(world.slow_value_model.variables, world.value_model.variables):
    slow.assign(fast)
  modules, batch = (world, prior, tested), small.batch(spec)
  before = [snapshot(module.variables) for module in modules]
  told = tested.step(batch._replace(observation=tf.fill(batch.observation.shape, np.inf)), SEED)
  for module, old in zip(modules, before):
    changed = [v.name for v, m in zip(module.variables, moved(old, module.variables)) if m]
    assert changed == []
  assert float(told['model/skipped_share']) == 1 and float(told['policy/skipped_share']) == 1


def test_members_are_drawn_two_at_a_time_and_all_of_them_in_time():
  tested, _, _ = small.make_learner(small.spec(), small.config(value__members=5))
  batch, drawn = small.batch(small.spec()), []
  for seed in range(60):
    noise = tested.noise(batch, tf.constant([seed, 0]))
    for members in (noise.targets.numpy(), noise.values.numpy()):
      assert members.shape == (2,) and members[0] != members[1]
      drawn.append(members)
  assert np.bincount(np.concatenate(drawn), minlength=5).min() > 30
  assert any((drawn[i] != drawn[i + 1]).any()
             for i in range(0, 120, 2))  # targets and policy draw each their own
  tested, _, _ = small.make_learner(small.spec(), small.config(value__members=2))
  noise = tested.noise(batch, SEED)
  assert noise.targets is None and noise.values is None and noise.offsets is None


def test_each_image_of_a_batch_is_shifted_by_itself_and_the_shift_matters():
  spec = small.spec('both')
  tested, _, _ = small.make_learner(spec, small.config(model__image_shift=2))
  batch = small.batch(spec, length=H + 2)
  noise = tested.noise(batch, SEED)
  assert noise.offsets.shape == (H + 1, B, 2) and set(np.unique(noise.offsets)) == {0, 1, 2, 3, 4}
  found = tested.found(batch, noise)
  middle = tested.found(batch, noise._replace(offsets=tf.fill([H + 1, B, 2], 2)))
  plain = tested.found(batch, noise._replace(offsets=None))
  for name in ('model', 'policy'):
    assert float(middle.losses[name]) == pytest.approx(float(plain.losses[name]), rel=1e-5)
    assert float(found.losses[name]) != pytest.approx(float(plain.losses[name]), rel=1e-5)


@pytest.mark.parametrize('observation, choices, terminates', [
    ('vector', None, True), pytest.param('both', 3, False, marks=pytest.mark.long)])
def test_the_compiled_step_is_the_eager_one(observation, choices, terminates):
  spec, config = small.spec(observation, choices), small.config(value__members=3)
  learners = [small.make_learner(spec, config) for _ in range(2)]
  compiled, eager = (made[0] for made in learners)
  compiled._terminates.assign(terminates)
  for index in range(2):
    batch, seed = small.batch(spec, index, length=H +
                              (2 if observation == 'both' else 1)), tf.constant([index, 7])
    told, expected = compiled.compiled_step(batch, seed), eager.step(batch, seed, terminates)
    assert told.keys() == expected.keys() and ('model/termination_loss' in told) == terminates
    for name in expected:
      np.testing.assert_allclose(told[name], expected[name], rtol=2e-3, atol=1e-4, err_msg=name)
  for one, two in zip(learners[0][1].variables, learners[1][1].variables):
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=2e-4)
