"""What is written can be read back by what people read it with."""

import io
import json
import re
import shlex
import sys
import time

import numpy as np
from PIL import Image, ImageSequence
import pytest
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.plugins.custom_scalar import layout_pb2, metadata as custom_scalar
from tensorboard.plugins.hparams import plugin_data_pb2
import tensorflow as tf

from mbrl_tf.training import metrics, overview
from tests import fakes


def lines(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_object_per_line(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  file = metrics.MetricsFile(path, 0)
  file.write(10, 1.25, {'collect/return_mean': np.float32(2.5), 'x/nan': np.nan})
  file.write(20, 2, {})
  assert lines(path) == [
      {'env_steps': 10, 'seconds': 1.25, 'collect/return_mean': 2.5, 'x/nan': None}, {'env_steps': 20, 'seconds': 2.0}]


def test_a_file_that_has_another_name_too_stays_as_it_is_under_that(tmp_path):
  metrics.MetricsFile(tmp_path / 'metrics.jsonl', 0).write(10, 1, {})
  (tmp_path / 'kept').hardlink_to(tmp_path / 'metrics.jsonl')  # as of `cp --link`
  metrics.MetricsFile(tmp_path / 'metrics.jsonl', 10).write(20, 2, {})
  assert [line['env_steps'] for line in lines(tmp_path / 'kept')] == [10]
  assert [line['env_steps'] for line in lines(tmp_path / 'metrics.jsonl')] == [10, 20]


def test_the_overview_shows_metrics_that_are_written(tmp_path):
  told = {
      'returns, real': ('collect/return_mean', 'evaluate/return_mean'),
      'returns, real and imagined': ('collect/return_mean', 'imagine/return_after_mean'),
      'returns, imagined (of Dreamer and TD-MPC2, discounted)': (
          'imagine/return_after_mean', 'imagine/return_mean', 'value/mean'),
      'errors of the model by horizon': ('model/error_horizon_20', 'model/reward_error_horizon_15'),
      'losses': ('model/loss', 'fit/validation_loss_mean', 'model/reward_loss', 'model/continuation_loss'),
      'seconds of each phase': ('seconds/fit', 'seconds/meta_update')}
  others = ('collect/dropped_env_steps', 'fit/train_loss_member_0', 'imagine/cut_share')
  board = metrics.TensorBoard(tmp_path, fakes.CountingConfig())
  board.close()
  read = plugin_event_accumulator.EventAccumulator(str(tmp_path), size_guidance={'tensors': 0}).Reload()
  layout = layout_pb2.Layout.FromString(
      tf.make_ndarray(read.Tensors(custom_scalar.CONFIG_SUMMARY_TAG)[0].tensor_proto).item())
  charts = {chart.title: chart.multiline.tag for category in layout.category for chart in category.chart}
  assert set(charts) == set(told)
  for title, names in charts.items():
    for name in told[title]:
      assert any(re.match(pattern, name) for pattern in names), name
    assert not any(re.match(pattern, name) for pattern in names for name in others)


def test_resuming_drops_a_torn_line_and_what_is_later_than_the_checkpoint(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  file = metrics.MetricsFile(path, 0)
  for env_steps in (10, 20, 30):
    file.write(env_steps, 0, {})
  file.close()
  with open(path, 'a') as torn:
    torn.write('{"env_steps": 5')
  file = metrics.MetricsFile(path, 20)
  file.write(35, 0, {})
  assert [line['env_steps'] for line in lines(path)] == [10, 20, 35]
  file.close()
  metrics.MetricsFile(path, 0).close()
  assert path.read_text() == ''


def test_tensorboard_reads_scalars_histograms_text_and_video(tmp_path):
  board = metrics.TensorBoard(tmp_path, fakes.CountingConfig())
  board.write(7, {'room/what': 1.5, 'MAMLIter0_reward': 2.0}, {'room/values': np.arange(10.)})
  frames = np.random.default_rng(0).integers(0, 255, (5, 32, 48, 3)).astype(np.uint8)
  board.write_video('evaluate/episode', 7, frames, 20)
  board.close()

  read = event_accumulator.EventAccumulator(str(tmp_path), size_guidance={'tensors': 0}).Reload()
  assert 'published_names/MAMLIter0_reward' in read.Tags()['tensors']
  scalar, = read.Tensors('room/what')
  assert scalar.step == 7 and tf.make_ndarray(scalar.tensor_proto) == 1.5
  assert 'room/values' in read.Tags()['tensors']
  text = lambda tag: tf.make_ndarray(read.Tensors(tag)[0].tensor_proto).item().decode()
  assert text('config').endswith('| part.sizes | `[3, 4]` |\n| part.rate | `0.5` |')
  run = text('run').splitlines()
  assert run[:2] == ['|  | this run |', '|---|---|']
  told = dict(line.strip('| ').split(' | ') for line in run[2:])
  assert told['command'] == f'`{shlex.join(sys.orig_argv)}`' and 'tensorflow 2.' in told['versions']
  assert set(told) == {'command', 'folder', 'commit', 'versions', 'machine', 'cores', 'GPUs'}
  width, height, gif = tf.make_ndarray(read.Tensors('evaluate/episode')[0].tensor_proto)
  assert (width, height, gif[:6]) == (b'48', b'32', b'GIF89a')
  assert read.SummaryMetadata('evaluate/episode').plugin_data.plugin_name == 'images'
  start = plugin_data_pb2.HParamsPluginData.FromString(
      read.SummaryMetadata('_hparams_/session_start_info').plugin_data.content).session_start_info
  assert start.hparams['part.rate'].number_value == 0.5
  assert start.hparams['part.sizes'].string_value == '[3, 4]'


def test_what_is_looked_at_first_is_shown_first_and_explained(tmp_path):
  board = metrics.TensorBoard(tmp_path, fakes.CountingConfig())
  board.write(7, {
      'collect/return_mean': 1.0, 'evaluate/return_mean': 2.0, 'collect/return_best': 9.0,
      'evaluate/return_best': 3.0, 'imagine/return_mean': 4.0, 'value/mean': 9.0,
      'model/reward_error_horizon_1': 5.0, 'fit/validation_loss_mean': 6.0, 'a/a': 0.0}, {})
  board.close()
  read = event_accumulator.EventAccumulator(str(tmp_path), size_guidance={'tensors': 0}).Reload()
  tags = [first.tag for first in overview.FIRST]
  shown = sorted(tag for tag in read.Tags()['tensors'] if '/' in tag and tag[0] != '_')
  assert shown[:6] == tags and len(tags) == 6
  values = [tf.make_ndarray(read.Tensors(tag)[0].tensor_proto).item() for tag in tags]
  assert values == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
  for tag in tags:
    assert '*Healthy*' in read.SummaryMetadata(tag).summary_description or 'best' in tag
  experiment = plugin_data_pb2.HParamsPluginData.FromString(
      read.SummaryMetadata('_hparams_/experiment').plugin_data.content).experiment
  assert {metric.name.tag for metric in experiment.metric_infos} == set(tags[:3])


@pytest.mark.parametrize('checkpoint, kept', [(10, [10, 25]), (0, [25])])
def test_tensorboard_forgets_what_came_after_the_checkpoint(tmp_path, checkpoint, kept):
  board = metrics.TensorBoard(tmp_path, fakes.CountingConfig())
  for env_steps in (10, 20, 30):
    board.write(env_steps, {'room/what': env_steps}, {})
  board.close()
  time.sleep(2)  # event files are named by the second
  board = metrics.TensorBoard(tmp_path, fakes.CountingConfig(), env_steps=checkpoint)
  board.write(25, {'room/what': 0}, {})
  board.close()
  read = plugin_event_accumulator.EventAccumulator(str(tmp_path)).Reload()  # what TensorBoard itself reads with
  assert [event.step for event in read.Tensors('room/what')] == kept


# 125 frames a second are 8 ms each, of which a browser shows every third; GIF counts in hundredths of a second.
@pytest.mark.parametrize('count, kept, milliseconds, rate', [(5, 5, 50, 20), (250, 84, 150, 20), (5, 5, 100, 10), (30, 10, 20, 125)])
def test_a_gif_plays_in_real_time(count, kept, milliseconds, rate):
  frames = np.random.default_rng(0).integers(0, 255, (count, 30, 600, 3)).astype(np.uint8)
  image = Image.open(io.BytesIO(metrics.encode_gif(frames, rate)))
  assert image.n_frames == kept
  assert image.info['duration'] == milliseconds
  assert image.size in ((384, 19), (384, 20))


def test_a_gif_shows_the_frames_that_it_was_given(tmp_path):
  # Few colours: a GIF has 256, so what is drawn with more of them is not shown exactly.
  colours = np.array([[0, 0, 0], [255, 255, 255], [200, 30, 30], [10, 120, 250]], np.uint8)
  frames = colours[np.random.default_rng(0).integers(0, len(colours), (7, 24, 32))]
  board = metrics.TensorBoard(tmp_path, fakes.CountingConfig())
  board.write_video('model/open_loop_image', 3, frames, 20)
  board.close()
  read = event_accumulator.EventAccumulator(str(tmp_path), size_guidance={'tensors': 0}).Reload()
  image = Image.open(io.BytesIO(tf.make_ndarray(read.Tensors('model/open_loop_image')[0].tensor_proto)[2]))
  shown = [np.asarray(frame.convert('RGB')) for frame in ImageSequence.Iterator(image)]
  np.testing.assert_array_equal(shown, frames)


def test_rows_of_a_gif_have_their_names_beside_them():
  frames = np.full((2, 90, 120, 3), 80, np.uint8)
  image = Image.open(io.BytesIO(metrics.encode_gif(frames, 20, ('truth', 'model', 'error'))))
  shown = np.asarray(image.convert('RGB')).astype(int)
  assert shown.shape[0] == 90 and 20 < shown.shape[1] - 120 < 60
  np.testing.assert_array_equal(shown[:, -120:], frames[0])
  margin = shown[:, :-120].min((1, 2)) < 128  # where something is written
  for row in range(3):
    assert margin[30 * row:30 * (row + 1)][8:22].any()  # around the middle of the row
    assert not margin[30 * row] and not margin[30 * row + 29]
