"""Arrays in a `.npz` from anywhere: nothing is executed, and nothing is allocated that the file cannot hold."""

import io
import math
import os
import zipfile
import zlib

import numpy as np

# What is raised of a file that is no such archive. zipfile tells of features that it lacks, and of passwords, in its own way.
READ_ERRORS = (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)

_MOST_SHRUNK = 1032  # Deflate makes nothing smaller than by this factor (zlib.net/zlib_tech.html)
_HEADER = 10_000     # bytes of a header at most
_KINDS = 'biuf'      # booleans, integers, floats


class Archive:
  """The arrays of an open `.npz` by name, each read when it is asked for; its checksum is compared before anything else.

  Attributes:
    files: the names, in the order in which they are stored.
  """

  def __init__(self, file):
    """Reads the table of contents.

    Args:
      file: open for reading in binary.

    Raises:
      one of `READ_ERRORS`, as all that reads.
    """
    self._zip = zipfile.ZipFile(file)
    self._size = os.fstat(file.fileno()).st_size
    self._members = {info.filename.removesuffix('.npy'): info for info in self._zip.infolist()}
    if len(self._members) != len(self._zip.infolist()):
      raise ValueError('it holds two arrays of one name')
    self.files = list(self._members)

  def __getitem__(self, name):
    """Returns an array, which cannot be written to."""
    info = self._members[name]
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
      raise ValueError(f'{name} is compressed by another method than Deflate')
    shrunk = 1 if info.compress_type == zipfile.ZIP_STORED else _MOST_SHRUNK
    if info.file_size > shrunk * min(info.compress_size, self._size):
      raise ValueError(f'{name} claims {info.file_size} bytes, more than {info.compress_size} bytes in the file can hold')
    with self._zip.open(info) as member:
      # So many bytes and no more: asked for all, zipfile unpacks what there is before it compares with what was claimed.
      return _array(name, member.read(info.file_size))


def _array(name, content):
  """Returns the array that the bytes of a `.npy` file hold."""
  stream = io.BytesIO(content)
  version = np.lib.format.read_magic(stream)
  if version != (1, 0):
    raise ValueError(f'{name} is of version {version} of the format, not 1.0')
  shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER)
  if dtype.kind not in _KINDS:
    raise ValueError(f'{name} holds {dtype}, which is neither boolean nor a number, and nothing is unpickled')
  held = len(content) - stream.tell()
  if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
    raise ValueError(f'{name} claims the shape {shape} of {dtype}, and holds {held} bytes')
  return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order='F' if is_fortran else 'C')
