"""Evaluates the newest checkpoint of a run, or the best one, and prints one JSON object.

  python -m launchers.evaluate --run_dir=runs/hc --episodes=10
  python -m launchers.evaluate --run_dir=runs/hc --best           that with the highest evaluate/return_mean of training,
                                                                  in other episodes than those that chose it
  python -m launchers.evaluate --run_dir=runs/hc --video          also writes runs/hc/evaluate-ENV_STEPS.gif
  python -m launchers.evaluate --run_dir=runs/hc --time_limit=500 --kwargs='{"frame_skip": 2}'
                                                                  in another environment than that of training, which
                                                                  `evaluated_in` and `trained_in` then tell
"""

import contextlib
import copy
import hashlib
import json

from absl import flags

from launchers import command, own_process
from mbrl_tf import errors
from mbrl_tf.data import files
from mbrl_tf.training import run_directory

_TIME_LIMIT = flags.DEFINE_integer(
    'time_limit', None, "env steps of an episode, instead of training's", lower_bound=1)
_KWARGS = flags.DEFINE(
    command.JsonObject(), 'kwargs', None,
    "keyword arguments of the simulator, a JSON object: instead of and beside training's")
_VIDEO = flags.DEFINE_bool('video', False, 'render one more episode, and write it as an animated GIF into the run directory')


def main():
  """Evaluates and prints."""
  if not command.RUN_DIR.value:
    raise errors.UserError(f'Which run? Give --run_dir=DIR. Received: run_dir={command.RUN_DIR.value!r}')
  directory = run_directory.RunDirectory(command.RUN_DIR.value)
  config = command.stored_config(directory)
  command.load_tensorflow(config.algorithm)
  from mbrl_tf import assembly
  from mbrl_tf.training import evaluation, metrics

  seed = config.run.seed if command.SEED.value is None else command.SEED.value
  if command.BEST.value:
    # The best of several by the same episodes again would be flattered by them.
    seed = evaluation.derive_seed(seed, 'best')
  with contextlib.ExitStack() as stack:
    place = assembly.first_evaluated_place(config)
    trained = assembly.assemble_trained(config, directory, command.BEST.value, place)
    other = _other_config(config)
    known = trained.facts if other is None else assembly.learn_alike(other, trained.facts, place)
    evaluator = assembly.make_evaluator(other or config, command.EPISODES.value, seed, known=known)
    stack.callback(evaluator.close)
    policy, env_steps = trained.algorithm.evaluation_policy(), trained.algorithm.env_steps
    result = evaluator.evaluate(policy, env_steps)
    told = {'run_dir': str(directory.path), 'env_steps': env_steps,
            'episodes': len(result.episodes), **result.metrics}
    if other is not None:
      told['evaluated_in'] = _described(other, known)
      told['trained_in'] = _described(config, trained.facts)
    try:
      if _VIDEO.value:
        told['video'] = None  # what was evaluated is told also where no video can be made
        path = directory.path / f'evaluate-{env_steps}{_mark(told)}.gif'
        files.write_atomically(path, metrics.encode_gif(*evaluator.film(policy, env_steps)))
        told['video'] = str(path)
    finally:
      own_process.tell(told)


def _other_config(config):
  """Returns the config with another environment, None where training's is asked for."""
  if _KWARGS.value is None and _TIME_LIMIT.value is None:
    return None
  other = copy.deepcopy(config)
  other.environment.kwargs = {**config.environment.kwargs, **(_KWARGS.value or {})}
  other.environment.time_limit = _TIME_LIMIT.value or config.environment.time_limit
  other.validate()
  return other


def _mark(told):
  """What parts a video of another environment from that of training and from any other: '' there,
  eight digits of what it is played in elsewhere."""
  if 'evaluated_in' not in told:
    return ''
  described = json.dumps(told['evaluated_in'], sort_keys=True).encode()
  return f'-{hashlib.sha256(described).hexdigest()[:8]}'


def _described(config, facts):
  """Returns what `evaluated_in` and `trained_in` tell."""
  return {'kwargs': dict(config.environment.kwargs), 'time_limit': facts.spec.time_limit}


if __name__ == '__main__':
  command.run(main, __doc__, ('run_dir', 'best', 'episodes', 'time_limit', 'kwargs', 'seed',
                               'video'))
