"""Where a run's numbers go: `metrics.jsonl` and TensorBoard; the terminal is `progress.py`'s."""

import errno
import io
import json
import math
import os
import pathlib
import time

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.image import metadata as image_metadata

from mbrl_tf import errors
from mbrl_tf.data import files
from mbrl_tf.training import overview

_EVENT_FILES = 'events.out.tfevents.*'
_RECORD_EXTRA = 16  # bytes of a record in such a file besides its content: its length, and checksums of both
_GIF_FRAMES = 100   # at most in one animation
_GIF_PIXELS = 384   # at most along the longer side: six images of 64 side by side
_LABEL_PIXELS = 12   # height of letters beside an animation
_GIF_MILLISECONDS = 20   # at least for one frame: browsers slow down what is faster


class MetricsFile:
  """One JSON object per line: `env_steps`, `seconds`, and metrics; numbers that are not finite are null."""

  def __init__(self, path, env_steps: int):
    """Opens the file for appending.

    Args:
      path: of the file.
      env_steps: of the checkpoint from which the run goes on. Later lines are dropped, and so is a torn last one: the
        file is to read like that of a run that was never interrupted.

    Raises:
      StorageError: where the file cannot be written, as `write`.
    """
    self._path = pathlib.Path(path)
    lines = _lines(self._path)
    kept = [line for line in lines if (found := _env_steps(line)) is not None and found <= env_steps]
    # what another name shows is somebody else's
    if kept != lines or (self._path.exists() and self._path.stat().st_nlink > 1):
      files.write_atomically(self._path, b''.join(kept))
    with files.writing(self._path):
      self._file = open(self._path, 'ab', buffering=0)  # a line that does not fit must not come back when the file is closed

  def write(self, env_steps: int, seconds: float, metrics):
    """Appends one line, which is on the disk when this returns: a checkpoint may count it, also after a power cut."""
    values = {name: _plain(value) for name, value in metrics.items()}
    line = json.dumps({'env_steps': int(env_steps), 'seconds': round(float(seconds), 3), **values}) + '\n'
    with files.writing(self._path):
      rest = line.encode()
      while rest:  # a disk that fills up takes what fits at first
        rest = rest[self._file.write(rest):]
      os.fsync(self._file.fileno())

  def close(self):
    """Closes the file."""
    self._file.close()


class TensorBoard:
  """Event files of one run, in its folder. The axis is env steps."""

  def __init__(self, folder, config, env_steps: int = 0):
    """Writes config and run as text, the config as hyperparameters, and what the overview shows.

    Args:
      folder: of the run.
      config: the dataclass tree.
      env_steps: of the checkpoint from which the run goes on, 0 where there is none. TensorBoard forgets what was
        written after it, also by a run that was killed before its first checkpoint.

    Raises:
      StorageError: where the file cannot be written, as all methods.
    """
    self._folder = pathlib.Path(folder)
    with self._writing():
      if any(self._folder.glob(_EVENT_FILES)):
        _forget_after(self._folder, env_steps)
      earlier = set(self._folder.glob(_EVENT_FILES))
      self._writer = tf.summary.create_file_writer(str(folder))
    with self._writing(), self._writer.as_default(step=0):
      tf.summary.text('config', overview.config_page(config))
      tf.summary.text('run', overview.run_page(), step=env_steps)
      overview.write_hyperparameters(config, str(folder))
      tf.summary.experimental.write_raw_pb(
          custom_scalar.pb(overview.layout()).SerializeToString(), step=0)
      self._writer.flush()
      self._file, = set(self._folder.glob(_EVENT_FILES)) - earlier
      self._end = _end_of_records(self._file, 0)

  def write(self, env_steps: int, metrics, histograms):
    """Writes scalars and histograms."""
    with self._writing(), self._writer.as_default(step=env_steps):
      for tag, value, description in overview.first_look(metrics):
        tf.summary.scalar(tag, float(value), description=description)
      for name, value in metrics.items():
        # TensorBoard makes a group of each first part, in alphabetical order: names without a room would be a group each,
        # above the returns that people look for.
        tf.summary.scalar(name if '/' in name else f'published_names/{name}', float(value))
      for name, values in histograms.items():
        tf.summary.histogram(name, values)
      self._flush()

  def write_video(self, name: str, env_steps: int, frames, frames_per_second: float, rows=()):
    """Writes frames uint8 `[T, height, width, 3]` as an animated GIF, which TensorBoard plays as an
    image; beside it what its rows of equal height show.
    """
    gif = encode_gif(frames, frames_per_second, rows)
    with self._writing(), self._writer.as_default(step=env_steps):
      write_encoded(name, gif)
      self._flush()

  def _flush(self):
    """Raises also where TensorFlow says nothing: it ignores that an event does not fit where its buffer is full just then."""
    self._writer.flush()
    before, self._end = self._end, _end_of_records(self._file, self._end)
    if not before < self._end == self._file.stat().st_size:
      raise OSError(errno.ENOSPC, f'{os.strerror(errno.ENOSPC)}, or a limit is reached')

  def close(self):
    """Closes the event file."""
    with self._writing():
      self._writer.close()

  def _writing(self):
    return files.writing(self._folder / _EVENT_FILES, tf.errors.OpError)


def write_encoded(name: str, image: bytes):
  """Writes an image that is encoded already, as the content of its file, to the default writer."""
  width, height = Image.open(io.BytesIO(image)).size
  tf.summary.write(
      name, tf.constant([str(width).encode(), str(height).encode(), image]),
      metadata=image_metadata.create_summary_metadata(display_name=None, description=None))


def encode_gif(frames, frames_per_second: float, rows=()) -> bytes:
  """Returns frames uint8 `[T, height, width, 3]` as the bytes of an animated GIF that plays in real
  time, with names of its rows at the left where there are any.

  Long episodes are thinned out to 100 frames, fast ones to what browsers show, and large frames shrunk to 384 pixels.
  """
  every = max(-(-len(frames) // _GIF_FRAMES), math.ceil(frames_per_second * _GIF_MILLISECONDS / 1000))
  images = [Image.fromarray(np.asarray(frame)) for frame in frames[::every]]
  for image in images:
    image.thumbnail((_GIF_PIXELS, _GIF_PIXELS))
  if rows:
    images = [_labelled(image, rows) for image in images]
  content = io.BytesIO()
  milliseconds = round(1000 * every / frames_per_second)
  images[0].save(content, format='GIF', save_all=True, append_images=images[1:], duration=milliseconds, loop=0)
  return content.getvalue()


def _labelled(image, rows):
  """Returns an image with the names of its rows of equal height beside it."""
  height = image.height / len(rows)
  font = ImageFont.load_default(size=min(_LABEL_PIXELS, height))
  width = math.ceil(max(font.getlength(row) for row in rows)) + 4
  labelled = Image.new('RGB', (image.width + width, image.height), 'white')
  labelled.paste(image, (width, 0))
  draw = ImageDraw.Draw(labelled)
  for index, row in enumerate(rows):
    draw.text((2, (index + 0.5) * height), row, fill='black', font=font, anchor='lm')
  return labelled


def _forget_after(folder, env_steps):
  """Writes an event file that says: the run starts again after `env_steps`."""
  # Event files are read in the order of their names, which begin with a time in seconds: this one comes last but for
  # the one that is about to be opened.
  path = folder / f'events.out.tfevents.{int(time.time()) - 1}.resumed'
  start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
  with tf.io.TFRecordWriter(str(path)) as writer:
    writer.write(event_pb2.Event(wall_time=time.time(), file_version='brain.Event:2').SerializeToString())
    for _ in range(2):  # the first that TensorBoard sees in a run says nothing to it
      writer.write(event_pb2.Event(wall_time=time.time(), step=env_steps + 1, session_log=start).SerializeToString())


def _end_of_records(path, begin):
  """Returns where the whole records (length, its checksum, content, its checksum) of an event file end, from `begin` on."""
  with open(path, 'rb') as file:
    size, end = path.stat().st_size, begin
    while begin < size:
      end = begin
      file.seek(begin)
      begin += _RECORD_EXTRA + int.from_bytes(file.read(8), 'little')
    return begin if begin == size else end


def recorded_env_steps(path) -> list:
  """Returns the env steps of all whole lines of a `MetricsFile`, in order; nothing where there is no file."""
  return [env_steps for env_steps, _ in _whole_lines(path)]


def recorded(path, name: str) -> dict:
  """Returns one metric by env steps, of the whole lines of a `MetricsFile` that have it as a number."""
  return {env_steps: line[name] for env_steps, line in _whole_lines(path) if isinstance(line.get(name), (int, float))}


def _whole_lines(path):
  """Yields env steps and content of the whole lines of a file; nothing where there is none."""
  for line in _lines(pathlib.Path(path)):
    env_steps = _env_steps(line)
    if env_steps is not None:
      yield env_steps, json.loads(line)


def _lines(path):
  """Returns all lines of a file, with their ends; none where there is no file."""
  try:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []
  except OSError as error:
    raise errors.UserError(f'The metrics cannot be read ({error.strerror}). Received: path={str(path)!r}') from error


def _env_steps(line: bytes):
  """Returns the env steps of a line, None where it is not whole."""
  try:
    env_steps = json.loads(line)['env_steps'] if line.endswith(b'\n') else None
  except (ValueError, KeyError, TypeError):
    return None
  return env_steps if isinstance(env_steps, int) else None


def _plain(value):
  """Returns a scalar as a float that JSON can hold."""
  value = float(value)
  return value if math.isfinite(value) else None
