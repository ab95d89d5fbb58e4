"""TD-MPC2's policy prior, and the planner before it, as a tf-agents policy."""

import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step

from mbrl_tf.drivers import policies
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import actions
from mbrl_tf.ops import noise as noise_lib
from mbrl_tf.ops import seeds

_FIXED_SEED = (0, 0)


class TDMPC2Policy(tf_policy.TFPolicy):
  """Encodes what it sees, and acts: by a plan where there is a planner, otherwise by the policy
  prior.

  The policy state holds, by name, what there is of these: `plan` `[H, A]`, with which the next plan
  begins; `noise` `[C, parts]`, of pink noise; `images/<key>`, the images before this one.
  """

  def __init__(self, world_model, prior, spec, generator, planner=None, terminates=None,
               explores=False, pink=False):
    """Reads the models' variables at each call.

    Args:
      world_model: `WorldModel`.
      prior: `SquashedPolicy`.
      spec: `types.EnvironmentSpec`.
      generator: a `tf.random.Generator`, used where `action` is given no seed and the policy
        explores.
      planner: `Planner`; None for the policy prior alone.
      terminates: bool variable, whether real episodes terminate.
      explores: sample; otherwise nothing is random but a planner's search, whose seed is fixed
        then.
      pink: noise of an action's numbers is pink, not white.
    """
    self._world_model, self._prior, self._planner = world_model, prior, planner
    self._terminates, self._explores = terminates, explores
    self._acts = spec.action
    self._pink = pink and explores and spec.action.numbers > 0
    state_spec = {f'images/{key}': tf.TensorSpec(shape, tf.uint8)
                  for key, shape in world_model.history_shapes().items()}
    if planner:
      state_spec['plan'] = tf.TensorSpec(planner.initial_mean().shape, tf.float32)
    if self._pink:
      state_spec['noise'] = tf.TensorSpec([spec.action.numbers, noise_lib.PARTS], tf.float32)
    super().__init__(policies.time_step_spec(spec), policies.action_spec(spec),
                     policy_state_spec=state_spec or (), clip=True, name='tdmpc2_policy')
    self.generator = generator

  def _action(self, time_step, policy_state, seed):
    if seed is None:
      seed = seeds.next_seed(self.generator) if self._explores else tf.constant(_FIXED_SEED)
    seed_list = tf.unstack(tf.random.experimental.stateless_split(seed, 3), 3)
    is_first, state = time_step.is_first(), {}
    observation = self._remembered(time_step.observation, policy_state, is_first, state)
    latent = self._world_model.encode(observation)
    noise = self._noise(policy_state, is_first, seed_list[0], state)
    if self._planner is None:
      action = self._prior.sample(latent, noise)[0] if self._explores else self._prior.mode(latent)
    else:
      action = self._planned(latent, policy_state, is_first, noise, seed_list[1], state)
    chosen = actions.from_features(self._acts, action)
    return policy_step.PolicyStep(tf.cast(chosen, self.action_spec.dtype), state or ())

  def _remembered(self, observation, policy_state, is_first, state):
    """The observation with the images before it, which are kept in `state` for the next call."""
    if not self._world_model.history_shapes():
      return observation
    by_key, histories = observations_lib.by_key(observation), {}
    for key, shape in self._world_model.history_shapes().items():
      image = by_key[key]
      before = self._world_model.frames - 1
      repeated = tf.concat([image] * before, -1)
      history = tf.where(is_first[:, None, None, None], repeated, policy_state[f'images/{key}'])
      histories[key] = history
      state[f'images/{key}'] = tf.concat([history, image], -1)[..., -shape[-1]:]
    return self._world_model.stacked(observation, histories)

  def _noise(self, policy_state, is_first, seed, state):
    """Noise for an action `[N, A]`."""
    rows = tf.shape(is_first)[0]
    if not self._pink:
      return self._prior.noise([rows], seed)
    numbers, state['noise'] = noise_lib.pink(policy_state['noise'], is_first, seed)
    if not self._acts.choices:
      return numbers
    _, choices = actions.split(self._acts, self._prior.noise([rows], seed))
    return actions.join(numbers, choices)

  def _planned(self, latent, policy_state, is_first, noise, seed, state):
    initial = tf.repeat(self._planner.initial_mean()[None], tf.shape(is_first)[0], 0)
    mean = tf.where(is_first[:, None, None], initial, policy_state['plan'])
    plan = self._planner(latent, mean, self._terminates, tf.constant(self._explores), seed,
                         noise if self._pink else None)
    state['plan'] = plan.mean
    return plan.action

  def _distribution(self, time_step, policy_state):
    raise NotImplementedError('TDMPC2Policy samples its actions itself; call `action`.')
