"""Reward and termination of Gymnasium's MuJoCo (v5) and classic tasks, as batched TensorFlow functions.

Each builder reads weights and ranges from the simulator it is given, so keyword arguments of the task carry over. The
functions describe one env step, take actions in the simulator's own units and any leading axes, and compile with XLA.

They are exact but for float32 where a docstring says nothing. Source: the `step` methods in `gymnasium.envs`.

Forward velocity: the simulators reward the displacement of x over a step, and x is not in the observation (it is when
`exclude_current_positions_from_observation=False`, and then the displacement is used). The average of the velocities
before and after the step stands in for it. Weights: the RK4 integrator gives (1/2, 1/2); semi-implicit Euler with n
substeps moves by the velocities after each substep, and for a constant acceleration that average weighs the velocity
after the step with (n + 1) / 2n. Root-mean-square error in m/s on random actions, against the velocity after the step
alone: HalfCheetah 0.11 (0.28), Hopper 0.004 (0.044), Walker2d 0.013 (0.13), Ant 0.09 (0.22), Swimmer 0.016 (0.098).
On steps of policies that move (tests/contracts/data; 5 episodes of 200 steps, in units of the reward): HalfCheetah 0.11,
Hopper 0.001, Walker2d 0.004, Ant 0.075, Swimmer 0.006; the mean error is below 0.007 in size.
"""

from typing import Any, Callable, NamedTuple, Optional

import gymnasium
import tensorflow as tf
from gymnasium import wrappers as gym_wrappers

from mbrl_tf.environments import actions, wrappers

RK4 = 1  # mujoco.mjtIntegrator.mjINT_RK4
TRANSPARENT_WRAPPERS = (
    wrappers.CheckAnswers, actions.ConvertActions, wrappers.LimitTime,
    wrappers.RepeatActions, wrappers.CheckObservations, wrappers.SeedEpisodes,
    gym_wrappers.OrderEnforcing, gym_wrappers.PassiveEnvChecker, gym_wrappers.TimeLimit)


class Functions(NamedTuple):
  """`reward(observation [..., O], action [..., A], next_observation [..., O]) -> [...]` and
  `terminated(next_observation [..., O]) -> bool [...]`; None where unknown."""
  reward: Optional[Callable[..., Any]] = None
  terminated: Optional[Callable[..., Any]] = None


def functions(env):
  """Returns the `Functions` of a simulator, empty for a task that is not in the table.

  A simulator behind a wrapper that may change observations or rewards counts as not in the table.
  """
  simulator = unchanged(env)
  build = BUILDERS.get(type(simulator).__module__)
  return build(simulator) if build else Functions()


def unchanged(env):
  """Returns the simulator behind wrappers that leave observations and rewards alone; None where one of them may not."""
  while isinstance(env, gymnasium.Wrapper):
    if not isinstance(env, TRANSPARENT_WRAPPERS):
      return None
    env = env.env
  return env


def never_terminated(next_observation):
  """Returns False for each observation: bool `[...]`."""
  return tf.zeros(tf.shape(next_observation)[:-1], tf.bool)


def half_cheetah(env):
  """Forward velocity (approximate: see above) less the control cost; never terminates."""
  return Functions(_forward_minus_control(env), never_terminated)


def swimmer(env):
  """Forward velocity (approximate: see above) less the control cost; never terminates."""
  return Functions(_forward_minus_control(env), never_terminated)


def hopper(env):
  """As HalfCheetah, and a bonus while healthy.

  The simulator also bounds velocities by `healthy_state_range`; those in the observation are clipped to [-10, 10], so a
  speed between 10 and that bound cannot be told from one beyond it, and counts as healthy.
  """
  bounds = [_bounds(env, 0, env._healthy_z_range), _bounds(env, 1, env._healthy_angle_range)]
  low, high = env._healthy_state_range
  skip = 2 - env.observation_structure['skipped_qpos']

  def is_healthy(observation):
    state = observation[..., skip:]
    in_range = tf.reduce_all((low < state) & (state < high), axis=-1)
    return in_range & _inside(observation, bounds)

  return _with_health(env, _forward_minus_control(env), is_healthy)


def walker2d(env):
  """As HalfCheetah, and a bonus while height and angle are healthy."""
  bounds = [_bounds(env, 0, env._healthy_z_range), _bounds(env, 1, env._healthy_angle_range)]
  return _with_health(env, _forward_minus_control(env), lambda observation: _inside(observation, bounds))


def ant(env):
  """Forward velocity (approximate: see above), a bonus while healthy, less control and contact cost.

  With `include_cfrc_ext_in_observation=False` the contact cost cannot be computed and is left out: the reward is then too
  high by at most `contact_cost_weight` * 78 * max(|contact_force_range|)^2, 0.039 with the defaults.
  With a `main_body` other than the torso the torso's velocity stands in for that body's.
  """
  forward = _forward_minus_control(env)
  low, high = env._healthy_z_range
  z = 2 - env.observation_structure['skipped_qpos']
  forces = env.observation_structure['cfrc_ext']
  weight = env._contact_cost_weight

  def is_healthy(observation):
    height = observation[..., z]
    finite = tf.reduce_all(tf.math.is_finite(observation), axis=-1)
    return finite & (low <= height) & (height <= high)

  def reward(observation, action, next_observation):
    contact = next_observation[..., tf.shape(next_observation)[-1] - forces:] if forces else next_observation[..., :0]
    return forward(observation, action, next_observation) - weight * tf.reduce_sum(tf.square(contact), axis=-1)

  return _with_health(env, reward, is_healthy)


def inverted_pendulum(env):
  """1 for each step that does not terminate; terminates at an angle beyond 0.2 rad."""
  del env

  def terminated(next_observation):
    finite = tf.reduce_all(tf.math.is_finite(next_observation), axis=-1)
    return ~finite | (tf.abs(next_observation[..., 1]) > 0.2)

  def reward(observation, action, next_observation):
    del observation, action
    return tf.cast(~terminated(next_observation), next_observation.dtype)

  return Functions(reward, terminated)


def inverted_double_pendulum(env):
  """A bonus less penalties on the tip's position and the joints' speed; terminates when the tip is at 1 m or lower.

  The tip is computed from the observed angles; the simulator's own tip is that of its last integration stage, within
  millimetres. Speeds are clipped to 10 rad/s in the observation but not in the simulator: beyond that the reward here is
  too high.
  """
  bonus = env._healthy_reward
  length = 0.6  # of each of the two links, in inverted_double_pendulum.xml

  def tip(observation):
    sin1, sin2, cos1, cos2 = (observation[..., index] for index in (1, 2, 3, 4))
    x = observation[..., 0] + length * (sin1 + sin1 * cos2 + cos1 * sin2)
    return x, length * (cos1 + cos1 * cos2 - sin1 * sin2)

  def terminated(next_observation):
    return tip(next_observation)[1] <= 1.0

  def reward(observation, action, next_observation):
    del observation, action
    x, y = tip(next_observation)
    speed1, speed2 = next_observation[..., 6], next_observation[..., 7]
    alive = bonus * tf.cast(y > 1.0, next_observation.dtype)
    return alive - 0.01 * x ** 2 - (y - 2.0) ** 2 - 1e-3 * speed1 ** 2 - 5e-3 * speed2 ** 2

  return Functions(reward, terminated)


def reacher(env):
  """Negative distance of the fingertip to the target, less the control cost; never terminates."""
  distance_weight, control_weight = env._reward_dist_weight, env._reward_control_weight

  def reward(observation, action, next_observation):
    del observation
    distance = _norm(next_observation[..., 8:10])
    return -distance_weight * distance - control_weight * _sum_of_squares(action)

  return Functions(reward, never_terminated)


def pusher(env):
  """Negative distances arm to object and object to goal, less the control cost; never terminates."""
  near_weight, distance_weight, control_weight = env._reward_near_weight, env._reward_dist_weight, env._reward_control_weight

  def reward(observation, action, next_observation):
    del observation
    arm, thing, goal = (next_observation[..., start:start + 3] for start in (14, 17, 20))
    near, distance = _norm(thing - arm), _norm(thing - goal)
    return -near_weight * near - distance_weight * distance - control_weight * _sum_of_squares(action)

  return Functions(reward, never_terminated)


def pendulum(env):
  """Negative cost of the angle and speed before the step, and of the torque; never terminates."""
  max_torque = env.max_torque

  def reward(observation, action, next_observation):
    del next_observation
    angle = tf.atan2(observation[..., 1], observation[..., 0])
    torque = tf.clip_by_value(action[..., 0], -max_torque, max_torque)
    return -(angle ** 2 + 0.1 * observation[..., 2] ** 2 + 0.001 * torque ** 2)

  return Functions(reward, never_terminated)


def cart_pole(env):
  """1 for each step, the last included (or 0 and at the end -1 with `sutton_barto_reward`)."""
  max_x, max_angle = env.x_threshold, env.theta_threshold_radians
  each_step, at_end = (0.0, -1.0) if env._sutton_barto_reward else (1.0, 1.0)

  def terminated(next_observation):
    return (tf.abs(next_observation[..., 0]) > max_x) | (tf.abs(next_observation[..., 2]) > max_angle)

  def reward(observation, action, next_observation):
    del observation, action
    ended = terminated(next_observation)
    return tf.cast(tf.where(ended, at_end, each_step), next_observation.dtype)

  return Functions(reward, terminated)


BUILDERS = {
    'gymnasium.envs.mujoco.half_cheetah_v5': half_cheetah,
    'gymnasium.envs.mujoco.hopper_v5': hopper,
    'gymnasium.envs.mujoco.walker2d_v5': walker2d,
    'gymnasium.envs.mujoco.ant_v5': ant,
    'gymnasium.envs.mujoco.swimmer_v5': swimmer,
    'gymnasium.envs.mujoco.inverted_pendulum_v5': inverted_pendulum,
    'gymnasium.envs.mujoco.inverted_double_pendulum_v5': inverted_double_pendulum,
    'gymnasium.envs.mujoco.reacher_v5': reacher,
    'gymnasium.envs.mujoco.pusher_v5': pusher,
    'gymnasium.envs.classic_control.pendulum': pendulum,
    'gymnasium.envs.classic_control.cartpole': cart_pole,
}


def _forward_minus_control(env):
  """Returns a reward function: weighted forward velocity less the control cost."""
  forward_weight, control_weight = env._forward_reward_weight, env._ctrl_cost_weight
  velocity = _forward_velocity(env)

  def reward(observation, action, next_observation):
    return forward_weight * velocity(observation, next_observation) - control_weight * _sum_of_squares(action)

  return reward


def _forward_velocity(env):
  """Returns a function `(observation, next_observation) -> [...]` in m/s; see the module's docstring."""
  structure = env.observation_structure
  if structure['skipped_qpos'] == 0:
    step_seconds = float(env.dt)
    return lambda observation, next_observation: (next_observation[..., 0] - observation[..., 0]) / step_seconds
  index = structure['qpos']
  substeps = env.frame_skip
  after = 0.5 if env.model.opt.integrator == RK4 else (substeps + 1) / (2 * substeps)
  return lambda observation, next_observation: (1 - after) * observation[..., index] + after * next_observation[..., index]


def _with_health(env, reward, is_healthy):
  """Returns `Functions` with the bonus of a healthy state added, and termination where it is lost (unless switched off)."""
  bonus, terminates = env._healthy_reward, env._terminate_when_unhealthy

  def healthy_reward(observation, action, next_observation):
    healthy = tf.cast(is_healthy(next_observation), next_observation.dtype)
    return reward(observation, action, next_observation) + bonus * healthy

  return Functions(healthy_reward, (lambda observation: ~is_healthy(observation)) if terminates else never_terminated)


def _bounds(env, index, interval):
  """Returns (index in the observation, low, high) of the root's height (0) or angle (1)."""
  low, high = interval
  return index + 1 - env.observation_structure['skipped_qpos'], low, high


def _inside(observation, bounds):
  """Whether each bounded entry lies strictly inside its interval: bool `[...]`."""
  parts = [(low < observation[..., index]) & (observation[..., index] < high) for index, low, high in bounds]
  return tf.reduce_all(tf.stack(parts, axis=-1), axis=-1)


def _sum_of_squares(vector):
  return tf.reduce_sum(tf.square(vector), axis=-1)


def _norm(vector):
  return tf.sqrt(_sum_of_squares(vector))
