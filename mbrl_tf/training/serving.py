"""A policy as a server calls it: named arrays of a batch in, what the simulator takes out."""

import re

import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types
from mbrl_tf.drivers import policies

_IS_FIRST = 'is_first'


class ServedPolicy:
  """One function of named arrays, which a SavedModel keeps as `serving_default`.

  Inputs are the task's own observations by their keys (`observation` where there is one array). A
  policy that remembers something also takes `state_*`, which its last answer gave, and `is_first`,
  bool `[N]`: where it is true, an episode begins, and what is given of the state is not read.
  Outputs are the simulator's action in its own units and types (`action`, or `action_*` by the path
  of each part), and the next `state_*`.

  Attributes:
    inputs, outputs: name to what it stands for, a dict with shape and dtype of one row, and `key` of
      an observation.
    function: the concrete function.
    module: keeps its variables; what is saved.
  """

  def __init__(self, policy, spec, variables):
    """Traces the function.

    Args:
      policy: a `TFPolicy` without randomness.
      spec: `types.EnvironmentSpec`.
      variables: of the policy, and its random generators.
    """
    self.module = tf.Module(name='served_policy')
    self.module.policy_state = variables
    self._action, self._initial_state = policy.action, policy.get_initial_state
    self._is_alone = isinstance(spec.observation, types.ArraySpec)
    self._simulator_action = spec.simulator_action or tf.identity
    observed = policies.observation_spec(spec)
    observed = {'observation': observed} if self._is_alone else observed
    state = dict(policy.policy_state_spec or {})
    taken = set()
    self._observed = _named({key: key for key in observed}, taken)
    self._states = _named({key: f'state_{key}' for key in state}, taken)
    self._is_first = next(iter(_named({'': _IS_FIRST}, taken))) if state else None
    inputs = {name: observed[key] for name, key in self._observed.items()}
    inputs.update({name: state[key] for name, key in self._states.items()})
    if state:
      inputs[self._is_first] = tf.TensorSpec([], tf.bool)
    self.inputs = {name: {**_described(array), **self._key(name)}
                   for name, array in inputs.items()}
    self.function = tf.function(self._act, autograph=False).get_concrete_function(
        **{name: tf.TensorSpec([None, *array.shape], array.dtype, name)
           for name, array in inputs.items()})
    self.outputs = {
        name: _described(tf.TensorSpec(array.shape[1:], array.dtype))
        for name, array in self.function.structured_outputs.items()}

  def _key(self, name):
    return {'key': self._observed[name]} if name in self._observed else {}

  def _act(self, **given):
    observation = {key: given[name] for name, key in self._observed.items()}
    rows = tf.shape(next(iter(observation.values())))[0]
    observation = observation['observation'] if self._is_alone else observation
    state, step_type = (), tf.fill([rows], ts.StepType.MID)
    if self._states:
      is_first, begun = given[self._is_first], self._initial_state(rows)
      step_type = tf.where(is_first, ts.StepType.FIRST, step_type)
      state = {key: _where(is_first, begun[key], given[name])
               for name, key in self._states.items()}
    time_step = ts.TimeStep(step_type, tf.zeros([rows]), tf.ones([rows]), observation)
    step = self._action(time_step, state)
    parts = flat(self._simulator_action(step.action))
    names = _named({path: '_'.join(['action', *path]) for path in parts}, set())
    answer = {name: parts[path] for name, path in names.items()}
    answer.update({name: step.state[key] for name, key in self._states.items()})
    return answer


def flat(nest, path=()):
  """Returns the arrays in dicts and tuples by the path of each, a tuple of text."""
  if isinstance(nest, dict):
    inner = nest.items()
  elif isinstance(nest, tuple):
    inner = enumerate(nest)
  else:
    return {path: nest}
  return {where: part for key, each in inner
          for where, part in flat(each, (*path, str(key))).items()}


def _named(wanted, taken):
  """Names of letters, digits and `_`, of which no two differ by capitals alone, to what they stand
  for. They begin with a letter, as TensorFlow would see to otherwise.

  Args:
    wanted: what a name stands for, to the name that is wanted for it.
    taken: names in small letters that are given away; those given here are added.
  """
  names = {}
  for key, name in wanted.items():
    base = re.sub(r'\W', '_', name, flags=re.ASCII)
    name = base = base if base[:1].isalpha() else f'observation_{base}'
    count = 1
    while name.lower() in taken:
      count += 1
      name = f'{base}_{count}'
    taken.add(name.lower())
    names[name] = key
  return names


def _where(rows, one, other):
  """Of each row of `[N, ...]` that of one where it is chosen, bool `[N]`, otherwise of the other."""
  return tf.where(tf.reshape(rows, [-1, *[1] * (one.shape.rank - 1)]), one, other)


def _described(array):
  return {'shape': array.shape.as_list(), 'dtype': tf.as_dtype(array.dtype).name}
