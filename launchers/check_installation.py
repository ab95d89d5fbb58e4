"""Says whether mbrl_tf works here: imports all of it, and compares versions with the tested ones.

  python -m launchers.check_installation

`pip check` complains of what is left out on purpose: TF-Agents and dm_control ask for more than is
used here, and some of that is not to be had for every Python. The exit status is 1 where something
is missing or does not import.
"""

import importlib
from importlib import metadata
import platform
import pkgutil
import sys
import traceback

# What is asked for and not followed, (who asks, for what): why not.
_NOT_FOLLOWED = {
    ('tf-agents', 'pygame'):
        'TF-Agents imports it nowhere, and 2.1.3 has no wheels for Python 3.12 and later',
    ('tf-agents', 'typing-extensions'):
        'every version has what TF-Agents takes from it, '
        'and 4.5.0 does not import on Python 3.12 and later',
    ('dm-control', 'labmaze'):
        'mazes use it and the suite does not, and it has no wheels for Python 3.13',
}
_TASK = 'dmc:cartpole_balance'  # dm_control is imported when one is built


def main():
  """Prints what was found; returns the exit status, 1 where mbrl_tf cannot work."""
  from launchers import own_process  # here, because an import of this module must not fail

  tested = {name(pin): str(pin.specifier).lstrip('=') for pin in asked_by('mbrl_tf', 'tested')}
  left_out, missing = unmet([*tested, 'mbrl_tf'])
  failures = missing or failed_imports()
  result = '; '.join(failures) or 'mbrl_tf and all that it needs are here, and import'
  own_process.say(f'Python {platform.python_version()}: {result}.')
  for said in left_out:
    own_process.say(said)
  others = [f'{package} {installed(package)} ({version})' for package, version in tested.items()
            if installed(package) not in (None, version)]
  own_process.say(f'Others than the tested versions: {", ".join(others)}.' if others else
        'All versions are those that were tested.')
  return int(bool(failures))


def unmet(packages):
  """Returns what installed packages ask for in vain, as sentences: on purpose, and otherwise."""
  left_out, missing = [], []
  for package in packages:
    for wanted in asked_by(package):
      version = installed(wanted.name)
      if version and wanted.specifier.contains(version, prereleases=True):
        continue
      said = f'{package} asks for {wanted.name}{wanted.specifier}; installed: {version or "none"}'
      reason = _NOT_FOLLOWED.get((package, name(wanted)))
      if reason:
        left_out.append(f'{said}. On purpose: {reason}.')
      else:
        missing.append(said)
  return left_out, missing


def failed_imports():
  """Imports everything, the DM Control suite too; returns a sentence for each that cannot be."""
  from launchers import command
  command.load_tensorflow('mbmpo')
  failed = []
  for module in modules():
    try:
      importlib.import_module(module)
    except Exception as error:  # whatever an import can raise
      failed.append(f'{module} does not import ({last_line(error)})')
  try:
    from mbrl_tf.environments import catalog
    catalog.make(_TASK).close()
  except Exception as error:
    failed.append(f'{_TASK} cannot be built ({last_line(error)})')
  return failed


def last_line(error):
  """Returns what a traceback ends in."""
  return traceback.format_exception_only(error)[-1].strip().splitlines()[-1]


def modules():
  """Yields the names of all modules of mbrl_tf, the launchers and the configs."""
  for package in ('mbrl_tf', 'launchers', 'configs'):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f'{package}.'):
      yield module.name


def asked_by(package, extra=None):
  """Returns what an installed package asks for on this Python: of an extra, or without any."""
  from packaging import requirements
  lines = (metadata.requires(package) or []) if installed(package) else []
  found = [requirements.Requirement(line) for line in lines]
  return [each for each in found if ('extra' in str(each.marker)) == bool(extra)
          and (each.marker is None or each.marker.evaluate({'extra': extra or ''}))]


def name(requirement):
  """Returns the name of what is asked for, in one spelling."""
  return requirement.name.lower().replace('_', '-')


def installed(package):
  """Returns the version that is installed, or None."""
  try:
    return metadata.version(package)
  except metadata.PackageNotFoundError:
    return None


if __name__ == '__main__':
  try:
    from launchers import command as _command
  except ImportError as error:
    sys.exit(f'error: {error}')
  _command.run(main, __doc__, ())
