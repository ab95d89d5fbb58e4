"""The memory that learning from long pixel runs takes: draws from a store of a million env steps, and prints one JSON object.

  python -m benchmarks.replay_memory --folder=FOLDER                                   1,000,000 env steps: some 1.6 GB in FOLDER
  python -m benchmarks.replay_memory --folder=FOLDER --learn=3                         and gradient steps on such batches
  python -m benchmarks.replay_memory --folder=FOLDER --episodes=3 --decisions=20 --batches=2

The episodes are synthetic and stay in FOLDER: another run there writes only those that are missing. Peaks are `ru_maxrss`, which
never falls, so each holds what came before it; and where a large process started this one, that process's own size is its
beginning. The system's file cache, which gives way to whatever needs memory, is not part of it.

Peaks with 1,000 episodes of 500 decisions and the settings of configs/dreamer/published.py, in MiB, on two CPU cores; images of
5,871 MiB take 1,517 on disk:

  cache_mib          drawing 50 x 50    and 3 gradient steps    of which TensorFlow, imported, is
  2048 (default)     2,924              5,513                   532
  64                 776                3,407                   532
"""

import argparse
import importlib
import json
import resource
import time

import numpy as np

from mbrl_tf import types
from mbrl_tf.data import episodes as episodes_lib

_ACTION_SIZE = 6  # walker_walk's
_MIB = 2**20


def measure(folder, config, episodes, decisions, batches, learn=0):
  """Fills a store where it is not yet, draws from it as training does, and learns where that is asked for.

  Args:
    folder: of the store.
    config: `DreamerConfig`, of which images, replay and learner are used.
    episodes: how many are in the store.
    decisions: in each.
    batches: how many are drawn.
    learn: gradient steps after that.

  Returns:
    A dict of what is printed; sizes in MiB.
  """
  size, replay = config.environment.image_size, config.replay
  store = episodes_lib.EpisodeStore(folder)
  for index in range(len(store), episodes):
    store.append(synthetic_episode(decisions, size, index))
  told = {'peak_mib_writing': _peak_mib(), 'resident_mib_before_tensorflow': _resident_mib()}
  from mbrl_tf.data import sequences  # with TensorFlow, whose share is told

  told['resident_mib_with_tensorflow'] = _resident_mib()
  view = sequences.SequenceView(store, replay.capacity, replay.cache_mib * _MIB)
  begin = time.perf_counter()
  for drawn in view.batches(batches, replay.batch_size, replay.batch_length, seed=0):
    pass  # the batch stays while the next one is waited for, as in training
  told['seconds_per_batch'] = (time.perf_counter() - begin) / batches
  told['peak_mib_drawing'] = _peak_mib()
  imported = told['resident_mib_with_tensorflow'] - told['resident_mib_before_tensorflow']
  told['peak_mib_drawing_without_tensorflow'] = told['peak_mib_drawing'] - imported
  told['resident_mib_after_drawing'] = _resident_mib()
  del drawn
  if learn:
    told.update(_learned(view, config, learn))
  return {
      'what': 'replay_memory', 'rows': len(view),
      'env_steps': sum(store.decisions().values()) * config.environment.env_steps_per_decision,
      'images_mib': len(view) * 3 * size**2 / _MIB,
      'store_mib': sum(path.stat().st_size for path in store.folder.iterdir()) / _MIB,
      'cache_mib': replay.cache_mib, 'batch_size': replay.batch_size, 'batch_length': replay.batch_length, 'batches': batches,
      **told}


def synthetic_episode(decisions, size, seed) -> types.Episode:
  """Shaded discs that swing before a ground that rolls by: compresses about as frames of walker_walk do."""
  generator = np.random.default_rng(seed)
  moment = np.arange(decisions + 1)
  down, across = np.mgrid[:size, :size].astype(np.float32) / size
  ground = 60 + 120 * np.linspace(0, 1, size)[:, None, None] * generator.uniform(0.5, 1, 3)
  ground = ground + generator.integers(0, 12, (size, 8 * size, 3))
  columns = (moment[:, None] * generator.uniform(0.2, 1.5)).astype(int) + np.arange(size)
  image = np.moveaxis(ground.astype(np.uint8)[:, columns % (8 * size)], 1, 0).copy()
  for _ in range(5):
    place, swing, pace, phase = (generator.uniform(*bounds, 2) for bounds in ((0.3, 0.7), (0.1, 0.3), (0.05, 0.3), (0, 6)))
    centre = (place + swing * np.sin(moment[:, None] * pace + phase)).astype(np.float32)
    radius, colour = generator.uniform(0.08, 0.18), generator.uniform(100, 255, 3)
    distance = np.hypot(down - centre[:, 0, None, None], across - centre[:, 1, None, None]) / radius
    inside = distance < 1
    image[inside] = (colour * (1 - 0.5 * distance[inside][:, None]**2)).astype(np.uint8)
  return types.Episode(
      {'image': image}, generator.uniform(-1, 1, (decisions, _ACTION_SIZE)).astype(np.float32),
      generator.uniform(size=decisions).astype(np.float32), np.zeros(decisions, bool))


def _learned(view, config, steps):
  """Takes gradient steps as training does, and returns what is printed of them."""
  from mbrl_tf.algorithms.dreamer import build
  from mbrl_tf.ops import seeds
  size, replay = config.environment.image_size, config.replay
  spec = types.EnvironmentSpec(
      'synthetic', {'image': types.ArraySpec((size, size, 3), 'uint8')},
      types.ActionSpec(_ACTION_SIZE), 0)
  parts = build.Parts(config, spec, seed=0)
  begin = time.perf_counter()
  losses = [float(parts.learner.compiled_step(batch, seeds.next_seed(parts.generator))['model/loss'])
            for batch in view.batches(steps, replay.batch_size, replay.batch_length, seed=1)]
  return {'gradient_steps': steps, 'seconds_of_gradient_steps_and_compiling': time.perf_counter() - begin,
          'model_loss_last': losses[-1], 'peak_mib_learning': _peak_mib(), 'resident_mib_after_learning': _resident_mib()}


def _peak_mib():
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident_mib():
  with open('/proc/self/statm') as file:
    return int(file.read().split()[1]) * resource.getpagesize() / _MIB


def main():
  """Reads the command line and prints."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--folder', required=True, help='of the store')
  for name, default, told in (
      ('episodes', 1000, 'in the store'), ('decisions', 500, 'in an episode'), ('batches', 300, 'to draw'),
      ('learn', 0, 'gradient steps to take'),
      ('cache_mib', None, "for what was read; the config's where none is given")):
    parser.add_argument(f'--{name}', type=int, default=default, help=told)
  arguments = parser.parse_args()
  config = importlib.import_module('configs.dreamer.published').get_config()
  if arguments.cache_mib is not None:
    config.replay.cache_mib = arguments.cache_mib
  print(json.dumps(measure(
      arguments.folder, config, arguments.episodes, arguments.decisions, arguments.batches, arguments.learn)))


if __name__ == '__main__':
  main()
