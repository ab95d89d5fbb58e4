"""What an inspection leaves on the disk: figures, numbers, and an event file for TensorBoard."""

import os
import re

import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.data import files
from mbrl_tf.training import figures, metrics, run_directory

_NUMBERS = 'inspection.json'
_OWN = re.compile(r'[a-z_0-9/-]*\.(png|gif)(\.partial)?|inspection\.json(\.partial)?|'
                  r'events\.out\.tfevents\..*')
_FRAMES_PER_SECOND = 10


def require_replaceable(out):
  """Raises a `UserError` unless a folder is absent, empty, or an earlier inspection's."""
  with files.writing(out):
    found = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    is_own = _NUMBERS in found and all(map(_OWN.fullmatch, found))
    if out.is_symlink() or (out.exists() and not out.is_dir()) or (found and not is_own):
      raise errors.UserError(
          'What is there is no earlier inspection, so it is not replaced: choose another --out. '
          f'Received: out={str(out)!r}')
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
      raise errors.UserError(f'This folder cannot be written. Received: out={str(out)!r}')


def write(out, env_steps, pictures, videos, content):
  """Writes everything, in place of what was there.

  Args:
    out: a folder that `require_replaceable` accepted.
    env_steps: of the checkpoint.
    pictures: figures by name.
    videos: `types.Video`s by name.
    content: what `inspection.json` is to hold.

  Returns:
    The names of the files.

  Raises:
    StorageError: where one cannot be written.
  """
  images = {f'{name}.png': figures.png(figure) for name, figure in pictures.items()}
  for name, video in videos.items():
    images[f'{name.replace("/", "_")}.gif'] = metrics.encode_gif(
        video.draw(), _FRAMES_PER_SECOND, video.rows)
  with files.writing(out):
    for path in out.iterdir():
      path.unlink()
  files.write_atomically(out / _NUMBERS, run_directory.to_json(content).encode())
  for name, image in images.items():
    files.write_atomically(out / name, image)
  _write_events(out, env_steps, images)
  return sorted(path.name for path in out.iterdir())


def _write_events(out, env_steps, images):
  """Writes the images for TensorBoard, under `inspect/`."""
  with files.writing(out, tf.errors.OpError):
    writer = tf.summary.create_file_writer(str(out))
    with writer.as_default(step=env_steps):
      for name, content in images.items():
        metrics.write_encoded(f'inspect/{name.split(".")[0]}', content)
    writer.close()
