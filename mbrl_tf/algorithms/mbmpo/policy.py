"""MB-MPO's policies as tf-agents policies: the meta-policy, and the K adapted ones that collect."""

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step

from mbrl_tf.drivers import policies
from mbrl_tf.models import observations as observations_lib
from mbrl_tf.ops import seeds


class MetaPolicy(tf_policy.TFPolicy):
  """The meta-policy, acting with its most likely action: what is evaluated and exported."""

  def __init__(self, model, spec):
    """Reads the model's variables at each call.

    Args:
      model: a `ParametricPolicy`.
      spec: `types.EnvironmentSpec`.
    """
    super().__init__(policies.time_step_spec(spec), policies.action_spec(spec), clip=True, name='meta_policy')
    self.model = model
    self._joined = observations_lib.Observations(spec.observation).joined

  def _distribution(self, time_step, policy_state):
    return policy_step.PolicyStep(self.model(self._joined(time_step.observation)), policy_state)

  def _action(self, time_step, policy_state, seed):
    del seed  # The mode is deterministic.
    action = self.model(self._joined(time_step.observation)).mode()
    return policy_step.PolicyStep(tf.cast(action, self.action_spec.dtype), policy_state)


class AdaptedPolicies(tf_policy.TFPolicy):
  """K adapted policies that act side by side: environment i is given to policy i mod K.

  Holds the parameters as variables, so that a checkpoint and a compiled driver see each new adaptation.
  """

  def __init__(self, model, spec, members, seed):
    """Starts as K copies of the meta-policy.

    Args:
      model: a `ParametricPolicy`.
      spec: `types.EnvironmentSpec`.
      members: `K`.
      seed: of the actions' random generator.
    """
    super().__init__(policies.time_step_spec(spec), policies.action_spec(spec), clip=True, name='adapted_policies')
    self._model, self._members = model, members
    self._joined = observations_lib.Observations(spec.observation).joined
    self.generator = tf.random.Generator.from_seed(seed)
    self.parameters = [tf.Variable(tf.repeat(tf.convert_to_tensor(p)[None], members, 0), trainable=False)
                       for p in model.parameters]
    self._is_adapted = np.zeros(members, bool)

  def assign(self, parameters, is_adapted=True):
    """Takes parameters, a list of `[K, ...]`, and which of the K policies are adapted ones, bool `[K]` or for all."""
    self._is_adapted[:] = is_adapted
    for variable, value in zip(self.parameters, parameters):
      variable.assign(value)

  def assign_meta_policy(self):
    """Makes all K policies the meta-policy."""
    self.assign([tf.repeat(tf.convert_to_tensor(p)[None], self._members, 0) for p in self._model.parameters], is_adapted=False)

  def member_of_env(self, num_envs):
    """Which adapted policy acts in each environment, int `[N]`; -1 where one acts that is not adapted."""
    members = np.arange(num_envs) % self._members
    return np.where(self._is_adapted[members], members, -1)

  def _distribution(self, time_step, policy_state):
    return policy_step.PolicyStep(self._row_distribution(time_step.observation), policy_state)

  def _action(self, time_step, policy_state, seed):
    seed = seeds.next_seed(self.generator) if seed is None else seed
    action = self._row_distribution(time_step.observation).sample(seed=seed)
    return policy_step.PolicyStep(tf.cast(action, self.action_spec.dtype), policy_state)

  def _row_distribution(self, observation):
    """The distribution of each row under its own policy, batch shape `[N]`."""
    vectors = self._joined(observation)
    rows = tf.range(tf.shape(vectors)[0]) % self._members
    inputs = self._model.read(vectors)[:, None]
    return self._model.distribution([tf.gather(p, rows) for p in self.parameters], inputs)[:, 0]
