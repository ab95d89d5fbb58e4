"""Arrays in a `.npz` from anywhere: nothing is executed, and nothing is allocated that the file cannot hold."""

import math
import os
import re
import struct
import zipfile
import zlib

import numpy as np

# What is raised of a file that is no such archive. zipfile tells of features that it lacks, and of passwords, in its own way.
READ_ERRORS = (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, MemoryError, OverflowError, struct.error,
               zipfile.BadZipFile, zlib.error)

_MOST_SHRUNK = 1032  # Deflate makes nothing smaller than by this factor (zlib.net/zlib_tech.html)
_HEADER = 1000       # bytes of a header at most
# As numpy writes them (its own reader falls back to a tokenizer, which raises whatever damage makes it). Kinds: booleans,
# integers, floats, of the sizes that there are: a long array's header is read before its checksum is compared.
_LAYOUT = re.compile(rb"\x93NUMPY\x01\x00..\{'descr': '(\|b1|\|[iu]1|[<>](?:[iu][248]|f[248]))', 'fortran_order': (True|False), "
                     rb"'shape': \(((?:\d{1,18}(?:, \d{1,18})*,?)?)\), \} *\n", re.DOTALL)


class Archive:
  """The arrays of an open `.npz` by name, each read when it is asked for, with its checksum compared.

  Shape and type are checked before the content is unpacked.

  Attributes:
    files: the names, in the order in which they are stored.
  """

  def __init__(self, file, most_rows=math.inf):
    """Reads the table of contents.

    Args:
      file: open for reading in binary.
      most_rows: that an array may have, the length of its first axis.

    Raises:
      one of `READ_ERRORS`, as all that reads.
    """
    self._zip, self._most_rows = zipfile.ZipFile(file), most_rows
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
      head = member.read(min(_HEADER, info.file_size))
      offset, shape, is_fortran, dtype = self._layout(name, head, info.file_size)
      # So many bytes and no more: asked for all, zipfile unpacks what there is before it compares with what was claimed.
      content = head + member.read(info.file_size - len(head))
    return np.frombuffer(content, dtype, offset=offset).reshape(shape, order='F' if is_fortran else 'C')

  def _layout(self, name, head, size):
    """Returns where the content begins, its shape, order and type, of the beginning of a `.npy` file of so many bytes."""
    found = _LAYOUT.match(head)
    if not found:
      raise ValueError(f'{name} is no array of booleans or numbers, and nothing is unpickled')
    dtype, is_fortran = np.dtype(found[1].decode()), found[2] == b'True'
    shape = tuple(int(length) for length in found[3].split(b',') if length.strip())
    held = size - found.end()
    if math.prod(shape) * dtype.itemsize != held:
      raise ValueError(f'{name} claims the shape {shape} of {dtype}, and holds {held} bytes')
    if shape and shape[0] > self._most_rows:
      raise ValueError(f'{name} has {shape[0]} rows, and {self._most_rows} at most belong here')
    return found.end(), shape, is_fortran, dtype
