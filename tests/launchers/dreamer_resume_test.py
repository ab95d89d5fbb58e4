"""Dreamer, compiled, stopped and gone on with as a person does, has the numbers of a run that was never stopped."""

import json
import pathlib

from absl import flags
from absl.testing import flagsaver
import numpy as np
import pytest
import tensorflow as tf

from launchers import inspect_model, train

_SMOKE = pathlib.Path(__file__).parent.parent.parent / 'configs' / 'dreamer' / 'smoke.py'
# In little: most of such a run compiles.
_LITTLE = [
    '--seed=3', '--config.run.evaluate_every_env_steps=200', '--config.run.evaluate_episodes=1', '--config.run.evaluate_videos=false',
    '--config.collect.random_env_steps=100', '--config.collect.env_steps_per_iteration=100', '--config.replay.batch_size=2',
    '--config.replay.batch_length=3', '--config.model.image_depth=2', '--config.behavior.horizon=2', '--config.behavior.normalize_returns=true',
    '--config.learner.first_gradient_steps=2', '--config.learner.env_steps_per_gradient_step=50']


def run(path, env_steps, monkeypatch):
  """Trains in a folder until `env_steps`; the first 100 are random, and each iteration takes 100."""
  arguments = ['launcher', f'--config={_SMOKE}', *_LITTLE, f'--config.run.env_steps={env_steps}', f'--run_dir={path}']
  monkeypatch.setattr('sys.argv', arguments)
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    flags.FLAGS(arguments)
    train.main()


def record(path):
  """The lines of `metrics.jsonl` without what is timed."""
  timed = lambda name: name.startswith('seconds') or name.endswith('_per_second') or name == 'collect/seconds'
  lines = [json.loads(line) for line in (path / 'metrics.jsonl').read_text().splitlines()]
  return [{name: value for name, value in line.items() if not timed(name)} for line in lines]


def saved(path):
  """All variables of a run's checkpoints, the newest and the best one among them, by number and
  name, but for the time that the run took."""
  found = {}
  for file in (path / 'checkpoints').glob('*.sha256'):
    reader = tf.train.load_checkpoint(str(file.with_suffix('')))
    for name in reader.get_variable_to_shape_map():
      if not name.startswith(('progress/seconds', '_CHECKPOINTABLE')):
        found[int(file.stem.split('-')[1]), name] = reader.get_tensor(name)
  return found


@pytest.mark.long
def test_resumed_equals_never_stopped(tmp_path, monkeypatch, capsys):
  run(tmp_path / 'stopped', 200, monkeypatch)
  before = saved(tmp_path / 'stopped')
  run(tmp_path / 'stopped', 400, monkeypatch)
  run(tmp_path / 'whole', 400, monkeypatch)
  resumed, whole = saved(tmp_path / 'stopped'), saved(tmp_path / 'whole')
  assert set(resumed) == set(whole)
  for name, value in whole.items():
    np.testing.assert_array_equal(resumed[name], value, err_msg=str(name))
  assert {200} <= {number for number, _ in before} and max(number for number, _ in whole) == 400
  changed = [name for number, name in whole
             if number == 400 and name.startswith('algorithm/world_model')
             and not np.array_equal(before[200, name], whole[400, name])]
  assert changed  # so that the comparison above says something
  lines = record(tmp_path / 'whole')
  assert [line['env_steps'] for line in lines] == [100, 200, 300, 400] and lines[-1]['learn/gradient_steps'] == 6
  assert lines == record(tmp_path / 'stopped')
  capsys.readouterr()
  inspect_images(tmp_path / 'whole', tmp_path / 'inspected', capsys)


def inspect_images(path, out, capsys):
  """Of a run whose observations are images."""
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['launcher', f'--run_dir={path}', f'--out={out}', '--horizon=2'])
    inspect_model.main()
  told = json.loads(capsys.readouterr().out)
  assert told['algorithm'] == 'dreamer' and told['env_steps'] == 400 and told['horizon'] == 2
  assert told['episodes']['newest']['learned_from'] is False
  gif, = out.glob('*.gif')
  assert gif.read_bytes().startswith(b'GIF') and not (out / 'calibration.png').exists()
  assert not (path / 'inspect').exists()
