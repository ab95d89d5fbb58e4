"""Which host of a run this process is, by the environment variable TF_CONFIG of `tf.distribute`. Imports no TensorFlow."""

import json
import os

from mbrl_tf import errors

_LEARNING_TASKS = ('chief', 'worker')
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


def host_and_hosts():
  """Returns this host's number, 0 for the chief, and how many hosts there are: 0 and 1 where TF_CONFIG names no others.

  Raises:
    UserError: a TF_CONFIG that cannot be understood.
  """
  text = os.environ.get('TF_CONFIG', '')
  try:
    config = json.loads(text or '{}')
    sizes = {name: len(config.get('cluster', {}).get(name, [])) for name in _LEARNING_TASKS}
    if sum(sizes.values()) < 2:
      return 0, 1
    task, index = config['task']['type'], int(config['task']['index'])
    if task not in sizes or not 0 <= index < sizes[task]:
      raise ValueError(f'there is no {task} {index} that learns')
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise errors.UserError(f'TF_CONFIG must be JSON such as {_EXAMPLE} ({type(error).__name__}: {error}). '
                           f'Received: TF_CONFIG={text!r}') from error
  return (index if task == 'chief' else sizes['chief'] + index), sum(sizes.values())
