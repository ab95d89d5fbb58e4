"""Keyword arguments that differ from simulator to simulator: ports, files, seeds of their own."""

import re

from mbrl_tf import errors

_ASKED = re.compile(r'\{[^{}]*\bindex\b[^{}]*\}')
_KNOWN = re.compile(r'\{(?:(\d{1,15}) ?\+ ?)?index(?: ?\+ ?(\d{1,15}))?\}')


def filled(value, place: int):
  """Returns keyword arguments, or a part of them, as one simulator is given them.

  In texts, `{index}` becomes the number of the simulator, and `{5000+index}` that number more than
  5000. A text that is nothing else becomes a whole number, so that a port may be one. Other braces
  stay.

  Args:
    value: what JSON can hold.
    place: the number, from 0 on.

  Raises:
    UserError: something else is to be done with the index.
  """
  if isinstance(value, dict):
    return {key: filled(part, place) for key, part in value.items()}
  if isinstance(value, (list, tuple)):
    return type(value)(filled(part, place) for part in value)
  if not isinstance(value, str):
    return value
  for asked in _ASKED.finditer(value):
    if not _KNOWN.fullmatch(asked[0]):
      raise errors.UserError(
          'The number of a simulator stands in a keyword argument as {index}, or with a number that '
          f'is added, as {{5000+index}}. Received: environment.kwargs with {asked[0]!r}')
  number = lambda match: place + int(match[1] or 0) + int(match[2] or 0)
  alone = _KNOWN.fullmatch(value)
  return number(alone) if alone else _KNOWN.sub(lambda match: str(number(match)), value)
