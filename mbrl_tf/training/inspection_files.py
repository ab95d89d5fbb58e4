"""What an inspection leaves on the disk: figures, numbers, and an event file for TensorBoard."""

import os
import re

import tensorflow as tf

from mbrl_tf import errors
from mbrl_tf.data import files
from mbrl_tf.training import figures, metrics, run_directory

_NUMBERS = 'inspection.json'
_OWN = re.compile(r'((error|return|episodes|calibration|disagreement|training)\.png|'
                  r'model_open_loop_.*\.gif|inspection\.json)(\.partial)?|'
                  r'events\.out\.tfevents\..*')
_FRAMES_PER_SECOND = 10


def require_replaceable(out):
  """Raises a `UserError` unless a folder can be made there, is empty, or an earlier inspection's."""
  with files.writing(out):
    found = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    is_own = (out / _NUMBERS).is_file() and all(map(_OWN.fullmatch, found))
    if out.is_symlink() or (out.exists() and not out.is_dir()) or (found and not is_own):
      raise errors.UserError(
          'What is there is no earlier inspection, or more, so it is not replaced: choose another '
          f'--out. Received: out={str(out)!r}')
    # Now, and not after minutes.
    nearest = next(path for path in (out, *out.parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
      raise errors.UserError(
          f'No folder can be made or written here: {nearest} is none, or is not yours to write. '
          f'Received: out={str(out)!r}')


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
    UserError: where the folder cannot be made.
    StorageError: where a file cannot be written.
  """
  images = {f'{name}.png': figures.png(figure) for name, figure in pictures.items()}
  for name, video in videos.items():
    images[f'{name.replace("/", "_")}.gif'] = metrics.encode_gif(
        video.draw(), _FRAMES_PER_SECOND, video.rows)
  with files.writing(out):
    out.mkdir(parents=True, exist_ok=True)
  # First, because it tells that the folder is an inspection's, also if this is stopped half way.
  files.write_atomically(out / _NUMBERS, run_directory.to_json(content).encode())
  with files.writing(out):
    for path in out.iterdir():
      if path.name != _NUMBERS:
        path.unlink()
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
