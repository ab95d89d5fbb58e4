"""Where an export may be written. Imports no TensorFlow, so that a wrong place is told at once."""

import json
import re

from mbrl_tf import errors
from mbrl_tf.data import files

METADATA = 'export.json'
# All that an export consists of, by its names in the folder, and what TensorFlow names it while it
# writes.
_EXPORTED = re.compile(
    r'export\.json|serving|lite(/policy\.tflite)?|(policy|model|serving/\d+)(/(assets|variables'
    r'|(saved_model\.pb|fingerprint\.pb|policy_specs\.pbtxt)(\.tmp[0-9a-f]+)?'
    r'|variables/variables(\.index|\.data-\d{5}-of-\d{5})(\.tempstate\d+)?'
    r'|variables/variables_temp(/.*)?))?')


def require_replaceable(destination):
  """Raises a `UserError` where something stands there, or where it is put together, that no export
  wrote, or has more in it.
  """

  def require(place, whole):
    is_empty = not place.exists() or (place.is_dir() and not any(place.iterdir()))
    if place.is_symlink() or not (is_empty or _is_export(place, whole)):
      raise errors.UserError(
          f'{"The destination" if place == destination else str(place)} exists and is no earlier '
          f'export, so it is not overwritten. Received: export_dir={str(destination)!r}')

  with files.writing(destination):  # a name may be too long, or a folder above closed
    require(destination, True)
    temporary, old = beside(destination)
    require(temporary, False)
    require(old, True)


def beside(destination):
  """Returns where an export is put together, and where the one before is kept meanwhile."""
  return (destination.with_name(f'.{destination.name}.{ending}') for ending in ('partial', 'old'))


def _is_export(folder, whole):
  """Whether a folder holds what an export writes, all of it where `whole`, and nothing else."""
  if not folder.is_dir():
    return False
  # The first stranger tells: what is below another folder may be much.
  if any(not _EXPORTED.fullmatch(str(path.relative_to(folder))) for path in folder.rglob('*')):
    return False
  if not whole:
    return True
  try:
    metadata = json.loads((folder / METADATA).read_text())
  except (OSError, ValueError):
    return False
  is_ours = isinstance(metadata, dict) and {'algorithm', 'env_steps', 'config'} <= metadata.keys()
  return is_ours and (folder / 'policy').is_dir() and (folder / 'model').is_dir()
