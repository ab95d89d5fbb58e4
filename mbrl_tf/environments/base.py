"""The environment contract: how a Gymnasium environment becomes an `EnvironmentSpec`."""

import functools
import importlib

import numpy as np
import tensorflow as tf

from mbrl_tf import errors, types
from mbrl_tf.environments import action_rows, actions, joint_angles, mujoco_tasks, simulators
from mbrl_tf.ops import one_hot


def read_spec(env, recipe):
  """Returns the `EnvironmentSpec` of one simulator.

  Reward and termination come from the first place that has them: attributes `reward_function` and `terminated_function`
  of the simulator, the same attributes of the factory, the table of known tasks. Each is a callable, or a string
  `'module:function'` that is imported here, in the process that has TensorFlow. They describe one env step and take
  actions in the simulator's own units and structure, with leading axes; the spec's functions take
  the agent's. Where images are observed there are none, because all of them read the simulator's own
  observation. They compute in float64 where that is what is observed, but in float32 where they take
  nothing else; rewards are float32. Choices in observations come to them one-hot, and bytes as
  float32.

  Args:
    env: the simulator as its recipe built it.
    recipe: a `simulators.Recipe`.

  Raises:
    UserError: a function that cannot be imported.
  """
  reward, terminated = _functions(env, recipe)
  observed = env.get_wrapper_attr('observing')
  read = functools.partial(_read, observed.spec)
  action = env.get_wrapper_attr('action_spec')
  tree = env.get_wrapper_attr('action_tree')
  act = functools.partial(_simulator_action, action, tree)
  angles = _angles(env, recipe, observed.spec)
  return types.EnvironmentSpec(
      name=recipe.name,
      observation=observed.spec,
      action=action,
      time_limit=env.get_wrapper_attr('time_limit'),
      action_repeat=recipe.action_repeat,
      reward=None if reward is None else _agent_reward(reward, act, recipe.action_repeat, read),
      terminated=None if terminated is None else _agent_terminated(terminated, read),
      left_out=observed.left_out,
      angles=angles.all,
      turning=angles.turning,
      simulator_action=act,
      action_parts=action_rows.parts(action, tree))


def _functions(env, recipe):
  """Returns (reward, terminated) as the simulator's task defines them, None where unknown."""
  if recipe.observation != 'vectors':
    return None, None
  known = mujoco_tasks.functions(env)
  return (_find('reward_function', env, recipe.name) or known.reward,
          _find('terminated_function', env, recipe.name) or known.terminated)


def _angles(env, recipe, observation):
  """Returns the `Angles` in an observation of one vector; none where it is anything else."""
  is_vector = isinstance(observation, types.ArraySpec) and len(observation.shape) == 1
  looks = is_vector and recipe.observation == 'vectors'
  return joint_angles.find(env) if looks else joint_angles.Angles()


def _find(attribute, env, name):
  """Returns the function of this name that a user's simulator or factory brings, or None."""
  found = env.get_wrapper_attr(attribute) if env.has_wrapper_attr(attribute) else None
  if found is None and simulators.has_factory(name):
    found = getattr(simulators.factory(name), attribute, None)
  return _imported(found, attribute) if isinstance(found, str) else found


def _imported(path, attribute):
  module, _, function = path.partition(':')
  try:
    return getattr(importlib.import_module(module), function)
  except (ImportError, AttributeError, ValueError) as error:
    raise errors.UserError(
        f"{attribute} as a string must be 'module:function' of something that can be imported ({error}). "
        f'Received: {attribute}={path!r}') from error


def _agent_reward(reward, act, action_repeat, read):
  """Returns the reward of one decision, for actions as the policy gives them.

  With action repeat the rewards within one decision are taken as equal, because a model sees only its first and last
  observation.
  """

  def native_reward(observation, action, next_observation):
    return reward(observation, act(action, _widest(observation)), next_observation)

  def agent_reward(observation, action, next_observation):
    observation, next_observation = read(observation), read(next_observation)
    result = _precise(native_reward)(
        observation, tf.convert_to_tensor(action), next_observation)
    is_wide = isinstance(result, tf.Tensor) and result.dtype == _widest(observation)
    return action_repeat * (tf.cast(result, tf.float32) if is_wide else result)

  return agent_reward


def _precise(function):
  """Returns the function, given float32 where it does not take float64, as tensors in it may be
  float32.
  """

  def computed(*arguments):
    if _widest(arguments) == tf.float64:
      try:
        return function(*arguments)
      except Exception:  # whatever a user's function raises; below it raises its own faults again
        narrow = lambda value: tf.cast(value, tf.float32) if value.dtype == tf.float64 else value
        arguments = tf.nest.map_structure(narrow, arguments)
    return function(*arguments)

  return computed


def _widest(nest):
  """float64 where a tensor is, otherwise float32."""
  return max((value.dtype for value in tf.nest.flatten(nest) if value.dtype.is_floating),
             key=lambda dtype: dtype.size, default=tf.float32)


def _simulator_action(spec, tree, action, dtype=None):
  """What `actions.ConvertActions` gives the simulator, for any leading axes.

  Args:
    spec: `types.ActionSpec`.
    tree: `actions.Tree`.
    action: `[..., A]` or `[...]`, as the spec says.
    dtype: of all numbers, whole ones too, beside which choices are int32 or int64; None for the
      simulator's own types.
  """
  action = tf.convert_to_tensor(action)
  lead = action.shape.rank - len(spec.shape)

  def of(leaf):
    own = action if leaf.at == () else action[..., leaf.at]
    if isinstance(leaf, actions.Choices):
      if dtype is None or own.dtype.is_floating:
        own = tf.cast(own, tf.int64 if dtype is None else tf.int32)
      own += tf.cast(leaf.start, own.dtype)
      own = tf.cast(own, leaf.dtype) if dtype is None else own
    else:
      own = leaf.offset + leaf.scale * tf.clip_by_value(tf.cast(own, tf.float64), -1.0, 1.0)
      own = tf.clip_by_value(tf.floor(own) if leaf.is_whole else own, leaf.low, leaf.high)
      own = tf.cast(own, dtype or leaf.dtype)
    shape = leaf.shape or ()
    if own.shape[lead:] == shape:
      return own
    return tf.reshape(own, tf.concat([tf.shape(action)[:lead], np.array(shape, np.int32)], 0))

  return actions.map_leaves(of, tree)


def _agent_terminated(terminated, read):
  return lambda next_observation: _precise(terminated)(read(next_observation))


def _read(spec, observation):
  """An observation as models read it, of tensors, so that functions written with operators alone
  give tensors for arrays, too.
  """
  if isinstance(spec, types.ArraySpec):
    return one_hot.read(spec, tf.convert_to_tensor(observation))
  return {key: _read(part, observation[key]) for key, part in spec.items()}
