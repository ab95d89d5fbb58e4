"""Dreamer's actor as a tf-agents policy: the latent state and the last action ride in the policy state."""

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step

from mbrl_tf.drivers import policies
from mbrl_tf.models import rssm as rssm_lib
from mbrl_tf.ops import actions, seeds


class DreamerPolicy(tf_policy.TFPolicy):
  """Infers the state from what it sees, and acts: with noise to explore, or with what is most likely."""

  def __init__(self, world_model, actor, spec, generator, exploration_noise=None):
    """Reads the models' variables at each call.

    Args:
      world_model: `WorldModel`.
      actor: `LatentActor`.
      spec: `types.EnvironmentSpec`.
      generator: a `tf.random.Generator`, used where `action` is given no seed.
      exploration_noise: deviation of the noise on sampled numbers, and the probability of a random
        value of each choice; None for no randomness at all: latent states are their means,
        actions the mode.
    """
    settings = world_model.rssm.initial(1)
    state_spec = {
        'deterministic': tf.TensorSpec(settings.deterministic.shape[1:], tf.float32),
        'stochastic': tf.TensorSpec(settings.stochastic.shape[1:], tf.float32),
        'action': tf.TensorSpec([world_model.action_size], tf.float32)}
    super().__init__(policies.time_step_spec(spec), policies.action_spec(spec), policy_state_spec=state_spec, clip=True,
                     name='dreamer_policy')
    self._world_model, self._actor, self._noise = world_model, actor, exploration_noise
    self._acts = spec.action
    self.generator = generator

  def assign(self, other):
    """Sets all variables of the models to those of another `DreamerPolicy`, whose models are built alike."""
    for mine, theirs in zip(self._model_variables(), other._model_variables()):
      mine.assign(theirs)

  def _model_variables(self):
    return [*self._world_model.variables, *self._actor.variables]

  def _action(self, time_step, policy_state, seed):
    seed_list = [None] * 4
    if self._noise is not None:
      seed = seeds.next_seed(self.generator) if seed is None else seed
      seed_list = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
    state = self._inferred(time_step.observation, policy_state, seed_list[:2])
    distribution = self._actor(rssm_lib.features(state))
    action = distribution.mode() if self._noise is None else self._explored(distribution, seed_list[2:])
    action = tf.cast(action, tf.float32)
    next_state = {'deterministic': state.deterministic, 'stochastic': state.stochastic, 'action': action}
    chosen = actions.from_features(self._acts, action)
    return policy_step.PolicyStep(tf.cast(chosen, self.action_spec.dtype), next_state)

  def _inferred(self, observation, policy_state, seed_list):
    """The posterior state, of `[N, ...]`."""
    rssm = self._world_model.rssm
    before = rssm.state(policy_state['deterministic'], policy_state['stochastic'])
    noise = [None if self._noise is None else
             rssm.noise([tf.shape(before.stochastic)[0]], seed) for seed in seed_list]
    prior = rssm.prior(before, policy_state['action'], noise[0])
    return rssm.posterior(prior, self._world_model.encode(observation), noise[1])

  def _explored(self, distribution, seed_list):
    """Features of a sample with noise on it, `[N, A]`."""
    action = tf.cast(distribution.sample(seed=seed_list[0]), tf.float32)
    numbers, choices = actions.split(self._acts, action)
    if numbers is not None:
      noise = tf.random.stateless_normal(tf.shape(numbers), seed_list[1])
      numbers = tf.clip_by_value(numbers + self._noise * noise, -1.0, 1.0)
    if choices is not None:
      choices = self._explored_choices(choices, seed_list[1] if numbers is None else
                                       tf.random.experimental.stateless_fold_in(seed_list[1], 1))
    return actions.join(numbers, choices)

  def _explored_choices(self, choices, seed):
    """One-hot choices `[N, n1 + n2 + ...]`, each with some probability a random one instead."""
    counts = self._acts.choices
    draws = tf.random.stateless_uniform([2, tf.shape(choices)[0], len(counts)], seed)
    indices = tf.cast(draws[1] * np.array(counts, np.float32), tf.int32)
    others = actions.one_hots(self._acts, indices)
    replaced = tf.repeat(draws[0] < self._noise, counts, axis=-1)
    return tf.where(replaced, others, choices)

  def _distribution(self, time_step, policy_state):
    raise NotImplementedError('DreamerPolicy samples a latent state before it acts; call `action`.')
