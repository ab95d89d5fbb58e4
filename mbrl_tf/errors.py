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


def near_names(name, known):
  """Returns up to five of `known` that a person may have meant by `name`, the nearest first."""
  # Short words share half of their letters by chance.
  cutoff = 0.6 if len(str(name)) < 6 else 0.4
  return difflib.get_close_matches(str(name), list(known), n=5, cutoff=cutoff)


def unknown_name(kind, name, known):
  """Returns a `UserError` for a name that is not in `known`, listing the nearest names."""
  near = near_names(name, known)
  hint = f'Nearest: {", ".join(near)}.' if near else f'Known: {", ".join(sorted(known)[:20])}.'
  return UserError(f'There is no {kind} of this name. {hint} Received: {kind}={name!r}')
