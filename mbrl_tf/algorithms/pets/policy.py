"""PETS as a tf-agents policy: it plans before each action."""

import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step

from mbrl_tf.drivers import policies
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import actions, seeds

_FIXED_SEED = (0, 0)


class PETSPolicy(tf_policy.TFPolicy):
  """Takes the first action of a plan, and begins the next plan with the rest of it.

  The policy state holds that rest, by the name `plan`, `[H, F]`.
  """

  def __init__(self, planner, spec, generator=None):
    """Reads the ensemble's variables at each call.

    Args:
      planner: `Planner`.
      spec: `types.EnvironmentSpec`.
      generator: a `tf.random.Generator` for the draws of plans, where `action` is given no seed;
        None for the same draws at each call, so that nothing is random.
    """
    self._planner, self._acts = planner, spec.action
    self._joined = observations_lib.Observations(spec.observation).joined
    state_spec = {'plan': tf.TensorSpec(planner.initial_mean().shape, tf.float32)}
    super().__init__(policies.time_step_spec(spec), policies.action_spec(spec),
                     policy_state_spec=state_spec, clip=True, name='pets_policy')
    self.generator = generator

  def _action(self, time_step, policy_state, seed):
    if seed is None:
      seed = seeds.next_seed(self.generator) if self.generator else tf.constant(_FIXED_SEED)
    is_first = time_step.is_first()
    initial = tf.repeat(self._planner.initial_mean()[None], tf.shape(is_first)[0], 0)
    mean = tf.where(is_first[:, None, None], initial, policy_state['plan'])
    plan = self._planner(self._joined(time_step.observation), mean, seed)
    action = tf.cast(actions.from_features(self._acts, plan.action), self.action_spec.dtype)
    return policy_step.PolicyStep(action, {'plan': plan.mean})

  def _distribution(self, time_step, policy_state):
    raise NotImplementedError('PETSPolicy plans its actions itself; call `action`.')
