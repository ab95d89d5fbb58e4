"""Ten updates of each algorithm with different numbers of devices, in one process of its own with four logical CPUs.

  python -m tests.scale.agreement                        prints one JSON object per algorithm and number of devices, 0 for no strategy
  python -m tests.scale.agreement ALGORITHM,ALGORITHM    of some algorithms
  python -m tests.scale.agreement ALGORITHM 0 1 2 4      with these numbers of devices

Each object holds what every update told, and all variables after the last one. Where TF_CONFIG names several hosts, this process
is one of them, and prints one object.
"""

import json
import sys

import mbrl_tf  # noqa: F401
import numpy as np
import tensorflow as tf

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import build as dreamer
from mbrl_tf.algorithms.mbmpo import build as mbmpo
from mbrl_tf.algorithms.mbmpo import config as mbmpo_config
from mbrl_tf.algorithms.pets import build as pets
from mbrl_tf.algorithms.pets import config as pets_config
from mbrl_tf.algorithms.tdmpc2 import build as tdmpc2
from mbrl_tf.ops import replicas
from mbrl_tf.training import cluster, placement
from tests.algorithms.dreamer import small
from tests.algorithms.mbmpo import cases
from tests.algorithms.tdmpc2 import small as small_tdmpc2

UPDATES, ROWS = 10, 4
# Each replica is traced and compiled anew, so that the tests try two.
_COUNTS = (0, 2)


def dreamer_updates(strategy, **changes):
  """Gradient steps on random sequences; yields what they told, and returns the state."""
  spec = small.spec('both')
  parts = dreamer.Parts(small.config(replay__batch_size=ROWS, behavior__horizon=2, **changes), spec, 3, strategy)
  parts.learner.widen_reward_range(-0.02, 0.01)
  if parts.learner.return_scale is not None:
    parts.learner.return_scale.assign(4.0)  # below 1 it would not count
  host, hosts = cluster.host_and_hosts()
  for index in range(UPDATES):
    own = tf.nest.map_structure(lambda value: np.split(value.numpy(), hosts)[host], small.batch(spec, index, ROWS))
    batch = replicas.share(parts.learner.strategy, tf.nest.map_structure(tf.constant, own))
    yield parts.learner.compiled_step(batch, tf.constant([index, 7]))
  return parts


def tdmpc2_updates(strategy, **changes):
  """Updates on random sequences of images and vectors, in which episodes terminate."""
  spec = small_tdmpc2.spec('both')
  parts = tdmpc2.Parts(small_tdmpc2.config(replay__batch_size=ROWS, **changes), spec, 3, strategy)
  parts.survey.terminates.assign(True)
  parts.world_model.survey(small_tdmpc2.episode(spec, 30))
  parts.learner.value_scale.assign(4.0)  # below 1 it would not count
  parts.learner.curiosity.assign(0.5)
  host, hosts = cluster.host_and_hosts()
  for index in range(UPDATES):
    batch = small_tdmpc2.batch(spec, index, small_tdmpc2.H + 2, ROWS)
    own = tf.nest.map_structure(lambda value: np.split(value.numpy(), hosts)[host], batch)
    yield parts.learner.compiled_step(
        replicas.share(parts.learner.strategy, tf.nest.map_structure(tf.constant, own)), tf.constant([index, 7]))
  return parts


def mbmpo_updates(strategy):
  """A fit of everything that can be learned, meta-updates in which rollouts terminate, and an adaptation."""
  spec, config = cases.make_spec(), mbmpo_config.MBMPOConfig()
  config.ensemble.members, config.ensemble.hidden_sizes, config.ensemble.max_epochs = ROWS, (5,), 6
  config.ensemble.batch_size, config.collect.capacity, config.ensemble.bootstrap = 16, 120, True
  config.imagination.horizon, config.imagination.member_noise, config.imagination.restarts = 6, True, True
  config.imagination.baseline_features = 4
  config.outcomes.learned, config.outcomes.hidden_sizes = True, (5,)
  config.policy.hidden_sizes, config.meta.outer_epochs = (4,), 3
  parts = mbmpo.Parts(config, spec, 3, strategy)
  yield fitted(parts)
  for index in range(UPDATES):
    yield parts.meta_learner.compiled_meta_update(cases.starts(ROWS, 3, lead=(2,)), tf.constant([index, 7]))
  parts.adapted.assign(parts.meta_learner.compiled_adapt(cases.starts(ROWS, 3), tf.constant([9, 9])))
  return parts


def pets_updates(strategy):
  """A fit of probabilistic members, and plans with them; heads are fitted as MB-MPO's are."""
  spec, config = cases.make_spec(), pets_config.PETSConfig()
  config.ensemble = pets_config.EnsembleConfig(
      members=ROWS, hidden_sizes=(5,), max_epochs=3, min_epochs=3, batch_size=16, fresh_moments=True)
  config.collect.capacity = 120
  config.planner = pets_config.PlannerConfig(horizon=3, samples=4, rounds=2, elites=4, particles=ROWS)
  parts = pets.Parts(config, spec, 3, strategy)
  yield fitted(parts)
  mean = tf.repeat(parts.planner.initial_mean()[None], 3, 0)
  for index in range(UPDATES):
    plan = parts.planner(cases.starts(1, 3)[0], mean, tf.constant([index, 7]))
    mean = plan.mean
    yield plan._asdict()
  return parts


def fitted(parts):
  """What fits of all that `parts` learn tell, to transitions some of which end an episode."""
  rng = np.random.default_rng(0)
  observation, noise = rng.normal(size=(2, 100, cases.O)).astype('f')
  action = rng.uniform(-1, 1, (100, cases.A)).astype('f')
  following = observation + 0.3 * np.roll(observation, 1, 1) + 0.05 * noise
  transitions = types.Transitions(observation, action, observation[:, 0], following, following[:, 1] > 1)
  fits = {'': parts.fit.fit(transitions, action, 5), **parts.outcome_fit.fit(transitions, action, 5)}
  return {f'{told}{name}': value for told, fit in fits.items() for name, value in fit._asdict().items()
          if name != 'skipped_share'}


UPDATERS = {
    'pets': pets_updates,
    'mbmpo': mbmpo_updates,
    'tdmpc2': lambda strategy: tdmpc2_updates(
        strategy, value__members=3, value__steps=1, value__policy_steps=1, value__returns=1,
        policy__imagined_steps=1, learner__learning_rate=1e-3),
    # The mean KL of these batches lies around one nat: above it in some, below in others, on either side by halves and quarters.
    'dreamer': lambda strategy: dreamer_updates(strategy, model__free_nats=1.0, behavior__start_states=2 * ROWS,
                                               behavior__reward_margin=1.0, behavior__normalize_returns=True,
                                               behavior__entropy_scale=1e-3),
    # Of the largest gradients, the scaled ones overflow in the first step and lie well within float16's range after it, by halves too.
    'dreamer_float16': lambda strategy: dreamer_updates(strategy, learner__precision='float16', model__image_scale=0.5)}


def main():
  if cluster.host_and_hosts()[1] > 1:
    print_updates(sys.argv[1], placement.place('cpu:1').strategy, 'hosts')
    return
  tf.config.set_logical_device_configuration(
      tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 4)
  for algorithm in sys.argv[1].split(',') if sys.argv[1:] else UPDATERS:
    for count in map(int, sys.argv[2:] or _COUNTS):
      devices = [f'CPU:{index}' for index in range(count)]
      print_updates(algorithm, placement.mirrored(devices) if count else None, count)


def print_updates(algorithm, strategy, count):
  """Prints what an algorithm does with a strategy."""
  updates, told = UPDATERS[algorithm](strategy), []
  try:
    while True:
      told.append({name: np.asarray(value).tolist() for name, value in next(updates).items()})
  except StopIteration as stop:
    variables = [variable.numpy().tolist() for variable in stop.value.variables]
  print(json.dumps({'algorithm': algorithm, 'count': count, 'told': told, 'variables': variables}), flush=True)


if __name__ == '__main__':
  main()
