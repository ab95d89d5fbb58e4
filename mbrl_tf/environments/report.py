"""What an examination tells, and how faults are told in few words; free of TensorFlow."""

import math
import re
from typing import NamedTuple, Tuple

import numpy as np

OK, WARNING, ERROR = 'ok', 'warning', 'error'
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_OURS = re.compile(r'/(mbrl_tf|launchers)/\w+')
_INSTALLED = re.compile(r'/(site|dist)-packages/|/lib/python3|<frozen|<__array_function__')


class Row(NamedTuple):
  """One thing that is known of an environment.

  Attributes:
    topic: in a word or two.
    level: `OK`, `WARNING` or `ERROR`.
    found: what it is, or what is wrong.
    received: what was received, where something is wrong.
    advice: what to do then.
  """
  topic: str
  level: str
  found: str
  received: str = ''
  advice: str = ''


class Report(NamedTuple):
  """`Row`s, and the numbers that were measured on the way, by name."""
  rows: Tuple[Row, ...]
  measured: dict

  def count(self, level):
    """How many rows are of this level."""
    return sum(row.level == level for row in self.rows)

  @property
  def status(self):
    """0; 1 where something is worth a look; 2 where something is wrong."""
    return 2 if self.count(ERROR) else 1 if self.count(WARNING) else 0


def in_short(error):
  """Returns what an error of this package tells, and what it received, each in one line.

  Of a message of several lines, such as one with a traceback or an example, the first line is
  taken, and the last line of code that is neither ours nor of an installed package.
  """
  before, _, received = str(error).strip().rpartition('Received: ')
  frames = [frame for frame in _FRAME.findall(before) if not _OURS.search(frame[0])]
  theirs = [frame for frame in frames if not _INSTALLED.search(frame[0])] or frames
  found = next(iter(before.strip().splitlines()), '').rstrip('.: ')
  if theirs:
    path, line, function = theirs[-1]
    found += f', in line {line} of {path.rsplit("/", 1)[-1]} ({function})'
  return found, ' '.join(received.split())


def parts(observed):
  """Returns in words what a policy observes, a mapping from key ('' for one array) to
  `types.ArraySpec`.
  """
  said = []
  for key, spec in observed.items():
    what = _described(spec) + (f', from {spec.taken_from}' if spec.taken_from else '')
    said.append(f'{key!r}: {what}' if key else what)
  return '; '.join(said) if any(spec.taken_from for spec in observed.values()) else ', '.join(said)


def _described(spec):
  """Returns in words what one `types.ArraySpec` is."""
  shape, count = ' x '.join(map(str, spec.shape)), math.prod(spec.shape)
  if spec.is_image:
    return f'an image of {shape} in {spec.dtype}'
  if spec.choices:
    least, most = min(spec.choices), max(spec.choices)
    among = f'{least} to {most}' if least < most else f'{most}'
    return f'{"one" if count == 1 else f"{count} choices, each one"} of {among}, read one-hot'
  if len(spec.shape) == 1:
    return f'{count} number{"s" * (count > 1)} in {spec.dtype}'
  return f'numbers of shape {list(spec.shape)} in {spec.dtype}'


def bytes_of(observed):
  """Returns how many bytes an observation takes, which is a mapping as in `parts`."""
  return sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in observed.values())


def bytes_of_decision(observed, action):
  """Returns how many bytes a stored decision takes: observation, action, reward, and whether it was
  the last.

  Args:
    observed: a mapping as in `parts`.
    action: `types.ActionSpec`.
  """
  of_action = math.prod(action.shape) * (4 if action.numbers else 8)
  return bytes_of(observed) + of_action + 4 + 1


def size(count):
  """Returns a number of bytes as a person reads it."""
  for unit in ('B', 'KiB', 'MiB', 'GiB'):
    if count < 1024:
      break
    count /= 1024
  else:
    unit = 'TiB'
  return f'{count:,.3g} {unit}' if count < 1000 else f'{count:,.0f} {unit}'
