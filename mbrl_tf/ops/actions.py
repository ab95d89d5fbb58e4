"""Actions as models read and write them: numbers, and each choice one-hot, joined to one vector.

Shapes: `F` features of an action, `C` of them numbers, the others the values of the choices, one
choice after the other. All functions take any leading axes.
"""

import itertools

import numpy as np
import tensorflow as tf

from mbrl_tf.ops import replicas


def features(spec, actions):
  """What models read of actions as `types.ActionSpec` says: float32 `[..., F]`."""
  if not spec.choices:
    return actions
  if not spec.shape:
    return tf.one_hot(actions, spec.choices[0])
  numbers = actions[..., :spec.numbers] if spec.numbers else None
  return join(numbers, one_hots(spec, tf.cast(actions[..., spec.numbers:], tf.int32)))


def clipped(spec, actions):
  """The actions that a simulator takes, of those that a policy samples, as `types.ActionSpec`
  says."""
  return tf.clip_by_value(actions, *spec.bounds) if spec.numbers else actions


def one_hots(spec, indices):
  """Choices `[..., F - C]` of their indices, int `[..., D]`."""
  parts = _split(indices, [times for _, times in _runs(spec)])
  return join(*(_flat(tf.one_hot(part, count)) for part, (count, _) in zip(parts, _runs(spec))))


def from_features(spec, values, dtype=tf.int64):
  """The actions, as `types.ActionSpec` says, that features `[..., F]` stand for: of each choice the
  value with the largest entry. Choices alone are of the type `dtype`.
  """
  if not spec.choices:
    return values
  if not spec.shape:
    return tf.argmax(values, -1, dtype)
  numbers, choices = split(spec, values)
  indices = join(*(tf.argmax(tf.reshape(part, [*_lead(part, 1), times, count]), -1, dtype)
                   for part, count, times in _each(spec, choices)))
  return indices if numbers is None else tf.concat([numbers, tf.cast(indices, tf.float32)], -1)


def split(spec, values, each=1):
  """Numbers `[..., C]` and choices `[..., F - C]` of features; None for what there is none of. With
  `each` there are so many entries for each number.
  """
  if not spec.choices:
    return values, None
  if not spec.numbers:
    return None, values
  return tf.split(values, [each * spec.numbers, sum(spec.choices)], -1)


def join(*parts):
  """One vector of the vectors that are not None."""
  parts = [part for part in parts if part is not None]
  return parts[0] if len(parts) == 1 else tf.concat(parts, -1)


def runs(spec, choices):
  """The choices `[..., F - C]` in runs of as many values, which are computed at once: so many
  switches are as few operations as one.

  Returns:
    A list of arrays `[..., k, n]`, for k choices of n values; `[..., n]` where k is 1.
  """
  return [part if times == 1 else tf.reshape(part, [*_lead(part, 1), times, count])
          for part, count, times in _each(spec, choices)]


def by_choice(spec, function, *values):
  """Lets a function work on the values of each choice alone.

  Args:
    spec: `types.ActionSpec` with choices.
    function: from arrays `[..., n]` of the values of one choice to one of this shape.
    *values: of all choices, `[..., F - C]`.

  Returns:
    `[..., F - C]`.
  """
  results = [function(*parts) for parts in zip(*(runs(spec, value) for value in values))]
  return join(*(result if times == 1 else _flat(result)
                for result, (_, times) in zip(results, _runs(spec))))


def by_kind(spec, of_numbers, of_choice, *values):
  """One function for the numbers of features `[..., F]`, one for each choice; see `by_choice`."""
  numbers, choices = zip(*(split(spec, value) for value in values))
  return join(of_numbers(*numbers) if spec.numbers else None,
              by_choice(spec, of_choice, *choices) if spec.choices else None)


def alternatives(spec, values):
  """Features with one choice changed at a time: `[F - C, ..., F]`, one for each value of each
  choice, of features `[..., F]`.
  """
  numbers, choices = split(spec, values)
  lead = choices.shape.rank - 1
  axes = lambda rows: tf.reshape(
      tf.constant(rows, tf.float32), [len(rows), *[1] * lead, len(rows)])
  owner = np.repeat(np.arange(len(spec.choices)), spec.choices)
  others, each = owner[:, None] != owner, np.eye(len(owner))
  changed = choices * axes(others) + axes(each)
  return join(None if numbers is None else tf.repeat(numbers[None], len(owner), 0), changed)


def sums(spec, choices):
  """`[..., D]`, what entries `[..., F - C]` of the values of each of D choices add up to."""
  return join(*(tf.reduce_sum(tf.reshape(part, [*_lead(part, 1), times, count]), -1)
                for part, count, times in _each(spec, choices)))


def uniform_choices(spec):
  """Features of an action in the middle: numbers 0, all values of a choice alike; numpy `[F]`."""
  shares = [np.full(count, 1 / count, np.float32) for count in spec.choices]
  return np.concatenate([np.zeros(spec.numbers, np.float32), *shares])


def noise(spec, shape, seed, axis=0):
  """What a sample is made from, `[*shape, F]`: standard normal for numbers, and for each value of a
  choice of the Gumbel distribution, whose largest of logits and noise is the choice.

  Args:
    spec: `types.ActionSpec`.
    shape: of the leading axes.
    seed: int32 `[2]`.
    axis: which of them is shared by replicas.
  """
  kinds = [(replicas.normal, spec.numbers), (replicas.gumbel, sum(spec.choices))]
  kinds = [(draw, size) for draw, size in kinds if size]
  seeds = [seed] if len(kinds) == 1 else tf.unstack(
      tf.random.experimental.stateless_split(seed, 2), 2)
  return join(*(draw([*shape, size], each, axis=axis)
                for (draw, size), each in zip(kinds, seeds)))


def _runs(spec):
  """`(n, k)` for each k choices of n values that follow each other."""
  return [(count, len(list(run))) for count, run in itertools.groupby(spec.choices)]


def _each(spec, choices):
  """`(values [..., n k], n, k)` for each run of choices `[..., F - C]`."""
  parts = _split(choices, [count * times for count, times in _runs(spec)])
  return [(part, *run) for part, run in zip(parts, _runs(spec))]


def _split(values, sizes):
  return [values] if len(sizes) == 1 else tf.split(values, sizes, -1)


def _flat(values):
  """`[..., k, n]` to `[..., k n]`."""
  return tf.reshape(values, [*_lead(values, 2), values.shape[-2] * values.shape[-1]])


def _lead(values, last):
  """The sizes of all axes but the last ones, as numbers where they are known."""
  known = values.shape[:-last]
  return [tf.shape(values)[axis] if size is None else size for axis, size in enumerate(known)]
