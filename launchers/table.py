"""How the rows of a `report.Report` are printed for people."""

import textwrap

from mbrl_tf.environments import report

_WIDTH = 100
_LABEL = 30  # letters before what was found


def lines(found):
  """Yields the lines of a `report.Report`: its rows, what to do, and how many are bad."""
  for row in found.rows:
    yield from of_row(row)
  counts = [(found.count(report.ERROR), 'error'), (found.count(report.WARNING), 'warning')]
  yield ', '.join(f'{count} {name}{"s" * (count != 1)}' for count, name in counts) + '.'


def of_row(row):
  """Yields the lines of one `report.Row`."""
  yield from wrapped(row.found, f'{row.level:8} {row.topic:20} ')
  if row.level != report.OK:
    if row.received:
      yield from wrapped(f'Received: {row.received}')
    if row.advice:
      yield from wrapped(f'To do: {row.advice}')


def wrapped(text, label=''):
  """Returns the lines of a text beside a label, or below what was told with one."""
  return textwrap.wrap(text, _WIDTH, initial_indent=label.ljust(_LABEL),
                       subsequent_indent=' ' * _LABEL, break_on_hyphens=False)
