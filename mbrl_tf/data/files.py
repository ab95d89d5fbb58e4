"""Files that appear whole or not at all, and one clear error where they cannot be written."""

import contextlib
import errno
import os
import pathlib
import re

from mbrl_tf import errors

_TEMPORARY = '.partial'
_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*://')  # gs://, s3://, file://
# What another path or other rights would mend; anything else, such as a full disk, is nobody's mistake.
_USERS_MISTAKES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG,
                   errno.ELOOP, errno.ENOENT)


def local_path(path, name) -> pathlib.Path:
  """Returns a path that a person gave as an absolute one; `~` at its beginning is the home folder.

  Absolute, because a simulator may change the working directory; `..` stays, for it may lead out
  of a link.

  Args:
    path: text or `os.PathLike`.
    name: of the flag, for errors.

  Raises:
    UserError: where it names no place on this machine's file systems.
  """
  text = os.fspath(path)
  if _SCHEME.match(text):
    raise errors.UserError(
        'Files are read and written in local folders alone, and this names a place elsewhere; '
        'mount it, or copy what is written here. '
        f'Received: {name}={text!r}')
  try:
    text.encode()  # TensorFlow takes no others
    usable = '\0' not in text
  except UnicodeEncodeError:
    usable = False
  if not usable:
    raise errors.UserError(f'A path must be text in UTF-8 without zeros. Received: {name}={text!r}')
  return pathlib.Path(os.path.expanduser(text)).absolute()


def require_loadable(path, name):
  """Raises a `UserError` where `tf.saved_model.load` could not read what is saved in a folder: it
  takes its name for a pattern.
  """
  if re.search(r'[\[\\]', str(path)):
    raise errors.UserError(
        'tf.saved_model.load takes brackets and backslashes in a path for a pattern, and would not '
        'find what is written here: choose '
        f'another folder. Received: {name}={str(path)!r}')


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
      temporary.unlink(missing_ok=True)
      with open(temporary, 'xb') as file:  # a new one, so that no link is followed
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
      os.replace(temporary, path)
    except BaseException:
      with contextlib.suppress(OSError):
        temporary.unlink()  # half a file only takes room
      raise
    sync(path.parent)


def remove_partial(folder, names):
  """Removes what a process left in a folder that was killed while it wrote.

  Args:
    folder: path.
    names: regular expression of what it writes there; other files are somebody else's.
  """
  for path in folder.glob(f'*{_TEMPORARY}'):
    if re.fullmatch(names, path.name[:-len(_TEMPORARY)]) and not path.is_dir():
      path.unlink()


def sync(path):
  """Makes the content of a file, or renames and removals in a folder, durable."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
