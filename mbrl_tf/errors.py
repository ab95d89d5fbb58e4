"""The kinds of error that reach a person: their own mistake, a simulator's fault, a disk's, and another host's."""

import difflib


class UserError(ValueError):
  """Something given by the user cannot be used. Launchers print it in one line and exit with status 2."""


class SimulatorError(RuntimeError):
  """A simulator raised, died, or returned something outside its own spec."""


class HostError(RuntimeError):
  """Another host of a run ended or cannot be reached. Launchers print it in one line and exit with status 1."""


class StorageError(RuntimeError):
  """A file could not be written, and not because of how it is called. Launchers print it in one line and exit with status 1."""


def unknown_name(kind, name, known):
  """Returns a `UserError` for a name that is not in `known`, listing the nearest names."""
  near = difflib.get_close_matches(str(name), list(known), n=5, cutoff=0.4)
  hint = f'Nearest: {", ".join(near)}.' if near else f'Known: {", ".join(sorted(known)[:20])}.'
  return UserError(f'There is no {kind} of this name. {hint} Received: {kind}={name!r}')
