"""Hopper at horizon 200 without early termination.

What differs from halfcheetah.py, and why: an env step is 8 ms instead of 50, so that an episode is 1.6 s, in which a hopper jumps and
dives; and all too soon it settles for a weak dive (a return of 360).
  Actions start with a deviation of 1 and keep 0.5, and a meta-update moves the policy by 0.03 nats: with 0.3 and 0.05 it never left
  that dive.
  Random actions are held for five decisions, and advantages look further (lambda 0.97, discount 0.99), for the same time.
"""

from configs.mbmpo import halfcheetah, hopper_published


def get_config():
  """Returns the config."""
  config = halfcheetah.get_config()
  config.environment.name = 'gym:Hopper-v5'
  config.environment.kwargs = dict(hopper_published.NEVER_TERMINATES)
  config.collect.random_action_hold = 5.0
  config.ensemble.angles = tuple(range(1, 5))
  config.policy.initial_std, config.policy.min_std = 1.0, 0.5
  config.imagination.discount, config.imagination.gae_lambda = 0.99, 0.97
  config.policy.normalize_observations, config.policy.output_scale = False, 1.0
  config.meta.updates_per_iteration, config.meta.kl_target = 20, 0.03
  return config
