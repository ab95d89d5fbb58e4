"""Files that appear whole or not at all, and one clear error where they cannot be written."""

import contextlib
import errno
import os
import re

from mbrl_tf import errors

_TEMPORARY = '.partial'
# What another path or other rights would mend; anything else, such as a full disk, is nobody's mistake.
_USERS_MISTAKES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG,
                   errno.ELOOP, errno.ENOENT)


@contextlib.contextmanager
def writing(path, *failures):
  """Makes an error that names path and cause of what fails in its block.

  Args:
    path: what is written.
    *failures: further classes of exceptions that say that writing failed, besides `OSError`.

  Raises:
    UserError: where the path or its rights are the cause.
    StorageError: where anything else is: a full disk, a quota, a limit, a device.
  """
  try:
    yield
  except (OSError, *failures) as error:
    cause = getattr(error, 'strerror', None) or (str(error).splitlines() or [type(error).__name__])[0]
    cause = re.sub(r'^{{.*?}} ', '', cause)  # TensorFlow begins with the name of its operation's node
    if getattr(error, 'errno', None) in _USERS_MISTAKES:
      place = str(getattr(error, 'filename', None) or path)  # it may be a folder above that is in the way
      cause = cause if place.startswith(str(path)) else f'{cause}: {place}'
      raise errors.UserError(f'This cannot be written ({cause}). Received: path={str(path)!r}') from error
    raise errors.StorageError(
        f'This could not be written ({cause}). What was written before is intact; when that is mended, the same command goes '
        f'on from there. Received: path={str(path)!r}') from error


def write_atomically(path, content):
  """Writes bytes so that `path` holds all of them or stays as it was, also after a power cut; raises as `writing` does."""
  temporary = path.with_name(path.name + _TEMPORARY)
  with writing(path):
    try:
      with open(temporary, 'wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
      os.replace(temporary, path)
    except BaseException:
      with contextlib.suppress(OSError):
        temporary.unlink()  # half a file only takes room
      raise
    sync(path.parent)


def remove_partial(folder):
  """Removes what a process left in a folder that was killed while it wrote."""
  for path in folder.glob(f'*{_TEMPORARY}'):
    if path.is_file():  # a folder is an export's, which may be going on
      path.unlink()


def sync(path):
  """Makes the content of a file, or renames and removals in a folder, durable."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
