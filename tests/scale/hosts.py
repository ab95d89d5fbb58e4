"""Several hosts as processes on loopback."""

import json
import os
import pathlib
import socket
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parent.parent.parent


def start(number, hosts, port, arguments):
  """Starts one of several hosts."""
  workers = [f'127.0.0.1:{port + index}' for index in range(hosts)]
  told = {'cluster': {'worker': workers}, 'task': {'type': 'worker', 'index': number}}
  environment = {**os.environ, 'PYTHONPATH': str(_ROOT), 'TF_CONFIG': json.dumps(told)}
  return subprocess.Popen([sys.executable, '-m', *arguments], cwd=_ROOT, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)


def free_port():
  """A port that was free a moment ago, and most likely those after it too."""
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    return min(probe.getsockname()[1], 60_000)


def finished(processes, seconds=400):
  """Waits for processes; returns what they printed, and kills all where one does not end."""
  try:
    return [process.communicate(timeout=seconds) for process in processes]
  finally:
    for process in processes:
      process.kill()
