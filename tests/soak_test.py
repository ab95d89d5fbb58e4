"""The soak in little: that it measures, and that nothing is left behind. The long form, by hand, tells of slopes."""

import json
import subprocess
import sys

import pytest


@pytest.mark.long
def test_a_short_soak_leaves_nothing_behind(tmp_path):
  done = subprocess.run([sys.executable, '-m', 'tests.soak', '--env_steps=10666', f'--folder={tmp_path / "runs"}'],
                        capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  told = json.loads(done.stdout)
  assert 10_600 <= told['env_steps'] < 12_000 and list((tmp_path / 'runs').iterdir()) == []
  assert [(phase['algorithm'], phase['parallel']) for phase in told['phases']] == [
      (algorithm, parallel) for parallel in ('in_process', 'processes') for algorithm in ('mbmpo', 'dreamer', 'pets', 'tdmpc2')]
  for phase in told['phases']:
    assert phase['descriptors'][0] == phase['descriptors'][1] > 0 and phase['processes'][0] == phase['processes'][1]
    # Of a leak this finds what costs 3 MiB an iteration, or 30 KiB a step; compiled programs still
    # settle here. The long form finds what is smaller.
    assert phase['resident_mib'][1] - phase['resident_mib'][0] < 40
  assert [phase['processes'][1] for phase in told['phases']] == [0] * 4 + [6] * 4  # 4 collect and 2 evaluate
  assert told['processes'] == [0, 0] and told['descriptors'][1] - told['descriptors'][0] < 5
