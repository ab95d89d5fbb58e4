"""One optimizer with what every learner needs around it."""

import functools
import math

import tensorflow as tf

from mbrl_tf.ops import clipping, replicas


class WarmUp(tf.keras.optimizers.schedules.LearningRateSchedule):
  """A learning rate that rises evenly to its value: while the optimizer's moments are of few
  gradients, its steps are as large as later ones, and less sure.
  """

  def __init__(self, rate, steps):
    """The rate of step n, counted from 1, is `rate * min(1, n / steps)`."""
    self._rate, self._steps = rate, steps

  def __call__(self, step):
    return self._rate * tf.minimum((tf.cast(step, tf.float32) + 1) / self._steps, 1.0)

  def get_config(self):
    return {'rate': self._rate, 'steps': self._steps}


class Trainer(tf.Module):
  """Adam on some variables, with clipping, and loss scaling where float16 needs it."""

  def __init__(self, variables, learning_rate, clip, scales=False):
    """Makes the optimizer's variables.

    Args:
      variables: what is trained, in the order of the gradients.
      learning_rate: of Adam, a number or a schedule.
      clip: global norm to which gradients are clipped; or a function of gradients, variables and
        the global norm, as those in `ops.clipping` are.
      scales: multiply the loss by a dynamic scale, as float16 needs.
    """
    super().__init__(name='trainer')
    self._variables, self._scales = variables, scales
    self._clip = clip if callable(clip) else functools.partial(clipping.global_norm, clip=clip)
    self.strategy = tf.distribute.get_strategy()
    optimizer = tf.keras.optimizers.Adam(learning_rate, jit_compile=False)
    scaled = tf.keras.mixed_precision.LossScaleOptimizer
    self.optimizer = scaled(optimizer) if self._scales else optimizer
    self.optimizer.build(variables)

  def scaled(self, loss):
    """The loss to differentiate."""
    return self.optimizer.get_scaled_loss(loss) if self._scales else loss

  def gradients(self, tape, scaled_loss):
    """Gradients of the unscaled loss."""
    gradients = tape.gradient(scaled_loss, self._variables)
    return self.optimizer.get_unscaled_gradients(gradients) if self._scales else gradients

  def apply(self, gradients, loss):
    """Clips and applies gradients; leaves the step out where they or the loss are not finite.

    Args:
      gradients: of the unscaled loss of the whole batch, in each replica.
      loss: the unscaled loss, `[]`.

    Returns:
      A dict of `gradient_norm`, the global norm before clipping, which is not finite where the step
      is left out; `skipped_share`, 1 where it is left out and 0 where it is taken; and with loss
      scaling `loss_scale`, by which this step's loss was multiplied. Each `[]`.
    """
    strategy = self.strategy
    clipped, norm = strategy.run(self._clipped, (gradients, loss))
    finite = tf.math.is_finite(replicas.first(strategy, norm))
    told = {'gradient_norm': norm, 'skipped_share': 1 - tf.cast(finite, tf.float32)}
    if self._scales:
      told['loss_scale'] = tf.identity(self.optimizer.loss_scale)
      # It leaves the step out by itself, and lowers the scale then.
      strategy.run(self._take, (clipped,))
    else:
      # The condition is outside of the replicas, which agree on it: inside, they could not update
      # variables that they share.
      tf.cond(finite, lambda: strategy.run(self._take, (clipped,)), lambda: False)
    return told

  def _clipped(self, gradients, loss):
    """Clipped gradients, and the global norm of what they were: where it or the loss is not finite,
    all NaN."""
    norm = tf.where(tf.math.is_finite(loss), tf.linalg.global_norm(gradients), math.nan)
    return self._clip(gradients, self._variables, norm), norm

  def _take(self, gradients):
    self.optimizer.apply_gradients(zip(gradients, self._variables), skip_gradients_aggregation=True)
    return True
