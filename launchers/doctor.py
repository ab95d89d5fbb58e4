"""Says what works on this machine and what does not, and how to mend it: run it before asking.

  python -m launchers.doctor

Looks at Python, packages, TensorFlow's devices, drawing, memory, disk and TensorBoard, and trains a
toy for some seconds. The exit status is 1 where something is wrong, otherwise 0.
"""

import importlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

from launchers import check_installation, command, own_process, table
from mbrl_tf import errors
from mbrl_tf.environments import rendering, report

_GIB = 2**30
_ROOT = pathlib.Path(__file__).parent.parent
# What Dreamer takes from 64 x 64 pixels on two cores, and the episodes of a million env steps.
_MEMORY, _DISK = 4 * _GIB, 15 * _GIB
# A toy with small models: one iteration of gradient steps, an evaluation and a checkpoint.
_TOY = ['--config=dreamer/smoke', '--config.environment.observation=vectors',
        '--config.run.env_steps=300', '--config.run.evaluate_videos=false',
        '--config.collect.random_env_steps=100', '--config.replay.batch_size=2',
        '--config.replay.batch_length=3', '--config.behavior.horizon=2',
        '--config.learner.first_gradient_steps=2',
        '--config.learner.env_steps_per_gradient_step=50']


def main():
  """Prints a row for each thing; returns the exit status."""
  rows = []
  for examine in (_python, _packages, _devices, _drawing, _memory, _disk, _tensorboard, _training):
    rows.append(examine())
    for line in table.of_row(rows[-1]):
      own_process.say(line)
  found = report.Report(tuple(rows), {})
  own_process.say(list(table.lines(found))[-1])
  return int(found.count(report.ERROR) > 0)


def _python():
  return report.Row('python', report.OK, f'Python {platform.python_version()} in {sys.prefix}')


def _packages():
  tested = {check_installation.name(pin): str(pin.specifier).lstrip('=')
            for pin in check_installation.asked_by('mbrl_tf', 'tested')}
  _, missing = check_installation.unmet([*tested, 'mbrl_tf'])
  others = [f'{package} {check_installation.installed(package)} instead of {version}'
            for package, version in tested.items()
            if check_installation.installed(package) not in (None, version)]
  advice = 'pip install --no-deps -r requirements.txt, from the checkout brings the tested ones'
  if missing or not tested:
    return report.Row('packages', report.ERROR, 'Something that is needed is not installed',
                      '; '.join(missing) or 'mbrl_tf is not installed', advice)
  if others:
    return report.Row('packages', report.WARNING, 'Some have not the versions that were tested',
                      ', '.join(others), advice)
  return report.Row('packages', report.OK, 'All have the versions that were tested')


def _devices():
  """What TensorFlow computes on, and why not on a GPU that is there."""
  try:
    command.load_tensorflow('mbmpo')
  except Exception as error:  # whatever an import can raise
    return report.Row('tensorflow', report.ERROR, 'TensorFlow cannot be imported',
                      check_installation.last_line(error), 'See packages above')
  import tensorflow as tf
  found = [tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name)
           for gpu in tf.config.list_physical_devices('GPU')]
  said = f'TensorFlow {tf.__version__} on {os.cpu_count()} cores'
  if found:
    return report.Row('tensorflow', report.OK, f'{said} and {len(found)} GPUs: {", ".join(found)}')
  hidden = os.environ.get('CUDA_VISIBLE_DEVICES')
  if os.path.exists('/dev/nvidiactl') or shutil.which('nvidia-smi'):
    return report.Row(
        'tensorflow', report.WARNING, f'{said}. There is a GPU, which it does not see',
        f'CUDA_VISIBLE_DEVICES={hidden!r}, built with CUDA: {tf.test.is_built_with_cuda()}',
        f"pip install 'tensorflow[and-cuda]=={tf.__version__}' brings CUDA, or it is hidden")
  return report.Row('tensorflow', report.OK, f'{said}; no GPU')


def _drawing():
  """Whether MuJoCo draws, tried in a process of its own."""
  try:
    name = rendering.back_end()
  except errors.UserError as error:
    found, received = report.in_short(error)
    return report.Row('drawing', report.WARNING,
                      f'No videos, and nothing learned from pixels. {found}', received)
  return report.Row('drawing', report.OK, f'MuJoCo draws a frame with MUJOCO_GL={name}')


def _memory():
  with open('/proc/meminfo', encoding='ascii') as lines:
    values = dict(line.split(':') for line in lines)
  free = int(values['MemAvailable'].split()[0]) * 1024
  said = f'{free / _GIB:.1f} GiB free'
  if free < _MEMORY:
    return report.Row('memory', report.WARNING, said, f'less than {_MEMORY // _GIB} GiB',
                      'Runs from pixels may not fit: end other programs, '
                      'or lower replay.cache_mib')
  return report.Row('memory', report.OK, said)


def _disk():
  here = os.getcwd()
  said = f'{shutil.disk_usage(here).free / _GIB:.1f} GiB free in {here}'
  if not os.access(here, os.W_OK):
    return report.Row('disk', report.WARNING, f'{here} cannot be written', f'uid={os.getuid()}',
                      'Give --run_dir=DIR a folder that is yours')
  if shutil.disk_usage(here).free < _DISK:
    return report.Row('disk', report.WARNING, said, f'less than {_DISK // _GIB} GiB',
                      'A million env steps of 64x64 pixels take 12 GiB: '
                      'choose another --run_dir=DIR')
  return report.Row('disk', report.OK, said)


def _tensorboard():
  try:
    version = importlib.import_module('tensorboard').__version__
  except Exception as error:  # whatever an import can raise
    return report.Row('tensorboard', report.ERROR, 'It cannot be imported',
                      check_installation.last_line(error), 'See packages above')
  program = pathlib.Path(sys.executable).parent / 'tensorboard'
  if not program.exists():
    return report.Row('tensorboard', report.WARNING, f'{version}, without its command',
                      f'no {program}', 'python -m tensorboard.main --logdir=runs does the same')
  return report.Row('tensorboard', report.OK, f'{version}: {program} --logdir=runs')


def _training():
  """Trains a toy in a process of its own, as a person would."""
  with tempfile.TemporaryDirectory() as folder:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, '-m', 'launchers.train', *_TOY, f'--run_dir={folder}/run'],
        cwd=_ROOT, capture_output=True, text=True)
    seconds = time.monotonic() - begin
  if done.returncode:
    said = done.stderr.strip().splitlines() or ['nothing was said']
    return report.Row('training', report.ERROR, 'A toy cannot be trained', said[-1],
                      'mbrl-tf train --config=dreamer/smoke tells more')
  return report.Row('training', report.OK, f'A toy was trained in {seconds:.0f} s')


if __name__ == '__main__':
  command.run(main, __doc__, ())
