"""PETS from vectors: one set of numbers for any task.

`--config.environment.name=` chooses the task. Its reward and termination functions are used where
it has some, and learned where it has none (`--config.outcomes.learned=True` learns them anyway).

What differs from the published numbers, which are the defaults, and why:
  A decision is judged on a twentieth of the imagined steps, so that it takes a tenth of a second of
  one core: 128 sequences of 25 decisions in 4 rounds, and one particle for each member.
  Members have three layers of 128 units instead of four of 200. They take 500 gradient steps in
  each fit, of batches of 250, with a rate that falls to 0: on few data, the published fits take few
  steps, and on many ever more. Adam's moments begin anew in each: fitted to six episodes of
  pendulum, one after the other, members were 0.006 instead of 0.045 deviations off after 20
  decisions of the seventh.
  Members see sines and cosines of angles, which are found in the simulator's model. Published are
  functions that are written for each task.
  Predictions stay near the range of the data, so that no trajectory runs away.
  Random actions are held, in each episode for another number of decisions.
"""

from mbrl_tf.algorithms import base
from mbrl_tf.algorithms.pets import config as pets


def get_config():
  """Returns the config."""
  return pets.PETSConfig(
      environment=base.EnvironmentConfig(name='gym:HalfCheetah-v5', action_repeat=0),
      run=base.RunConfig(env_steps=30_000, evaluate_every_env_steps=10_000, evaluate_episodes=3,
                         checkpoint_every_env_steps=2000),
      collect=pets.CollectConfig(random_env_steps=600, random_holds=(1, 2, 4, 8)),
      ensemble=pets.EnsembleConfig(
          hidden_sizes=(128, 128, 128), observation_margin=0.2, find_angles=True,
          annealed_updates=500, fresh_moments=True, batch_size=250),
      planner=pets.PlannerConfig(horizon=25, samples=128, rounds=4, elites=16, particles=5))
