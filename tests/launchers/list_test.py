"""What there is, as a person sees it listed."""

import importlib.util
import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parent.parent.parent


def told(*arguments):
  done = subprocess.run([sys.executable, '-m', 'launchers.list', *arguments], cwd=_ROOT,
                        capture_output=True, text=True)
  assert done.returncode == 0 and done.stderr == '', done.stderr
  return done.stdout.splitlines()


def test_all_configs_are_listed_with_a_sentence_each_and_environments_by_name():
  lines = told()
  between = lines.index('')
  configs = dict(line.split(None, 1) for line in lines[1:between])
  files = (_ROOT / 'configs').glob('*/*.py')
  assert set(configs) == {f'{path.parent.name}/{path.stem}' for path in files
                          if path.stem != '__init__'}
  assert configs['tdmpc2/vectors'] == 'TD-MPC2 from vectors: one set of numbers for any task.'
  assert {'  gym:HalfCheetah-v5', '  dmc:walker_walk', '  toy:corridor'} <= set(lines[between:])
  # What cannot start says why, and names that stand for no task are left out.
  needing = '' if importlib.util.find_spec('Box2D') else '  (needs Box2D)'
  assert f'  gym:LunarLander-v3{needing}' in lines
  assert not [line for line in lines if 'GymV21' in line]


def test_an_environment_is_described_in_a_line():
  mass, = told('--environments=toy:point')
  assert mass == ('toy:point_mass  observes 4 numbers in float32; decides 2 numbers; '
                  '50 env steps an episode; functions: reward, termination')
