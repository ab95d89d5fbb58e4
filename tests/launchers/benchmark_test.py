"""What the benchmarks count, worked out by hand, and what the launcher prints."""

import json
import pathlib
import subprocess
import sys

from absl import flags
from absl.testing import flagsaver
import pytest

from benchmarks import ensembles, mbmpo
from benchmarks import timing
from mbrl_tf import assembly
from launchers import benchmark
from mbrl_tf.training import run_directory
from tests.launchers import point_mass_config

_CONFIG = str(pathlib.Path(__file__).parent / 'point_mass_config.py')
# Of the config's sizes: observation 4, action 2; members 6-8-4, policies 4-4-2.
_MEMBER, _POLICY = 6 * 8 + 8 * 4, 4 * 4 + 4 * 2


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  config = mbmpo.prepared(point_mass_config.get_config())
  config.collect.capacity = 1100
  run = assembly.assemble(config, run_directory.RunDirectory(tmp_path_factory.mktemp('run')))
  yield run, config
  run.environment.close()


def test_operations_of_a_rollout(built):
  counted = mbmpo.rollout(*built)
  assert counted.units == 2 * 2 * 3  # members, rollouts, horizon
  assert counted.flop == 12 * 2 * (_MEMBER + _POLICY)
  assert counted.run().shape == (3, 2, 2)  # time leads


def test_operations_of_a_meta_update(built):
  # Rollouts before and after adaptation, and one outer step of 12 passes over the policy.
  assert mbmpo.meta_update(*built).flop == 2 * 12 * 2 * (_MEMBER + _POLICY) + 12 * 12 * 2 * _POLICY


def test_operations_of_a_fit(built):
  # 1,100 transitions: 220 held out, and of the 880 others one whole batch of 500. The input layer's 6 x 8 entries need
  # no gradient towards the input.
  counted = ensembles.fit(*built)
  assert counted.flop == counted.units * 2 * (500 * (6 * _MEMBER - 2 * 48) + 220 * 2 * _MEMBER)
  assert list(counted.run().epochs) == [counted.units] * 2


def test_the_config_itself_is_not_changed():
  config = point_mass_config.get_config()
  mbmpo.prepared(config)
  assert config.ensemble.max_epochs == 2


def test_a_fit_takes_the_counted_epochs_whatever_the_config_says():
  config = point_mass_config.get_config()
  config.ensemble.annealed_updates = 100
  ensemble = mbmpo.prepared(config).ensemble
  assert (ensemble.annealed_updates, ensemble.min_epochs) == (0, ensemble.max_epochs)


def test_the_median_leaves_out_the_first_call(monkeypatch):
  ticks = iter([0, 100, 100, 101, 101, 111, 111, 114])  # the four calls take 100, 1, 10 and 3 s
  monkeypatch.setattr(timing.time, 'perf_counter', lambda: next(ticks))
  assert timing.measure(lambda: None, 3) == (100, 3)


@pytest.mark.long
def test_the_launcher_prints_one_object_per_line(capsys, monkeypatch):
  # Large products take seconds on a busy machine, and their number plays no part here.
  monkeypatch.setattr(timing, '_SIZES', (64,))
  with flagsaver.flagsaver():
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['benchmark', f'--config={_CONFIG}', '--repeats=1'])
    benchmark.main()
  told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert [line['what'] for line in told] == list(mbmpo.ALL)
  for line in told:
    assert line['seconds'] > 0 and line['rate'] > 0 and line['repeats'] == 1
  by_name = {line['what']: line for line in told}
  for name in ('rollout', 'fit', 'meta_update'):
    line = by_name[name]
    assert line['share_of_peak'] == pytest.approx(
        line['gflop'] / line['seconds'] / line['peak_gflop_per_second'])
  assert by_name['collect']['env_steps'] == 100 and 'share_of_peak' not in by_name['collect']


@pytest.mark.long
def test_what_a_strategy_costs_is_measured_in_turns():
  done = subprocess.run([sys.executable, '-m', 'benchmarks.strategy_overhead', f'--config={_CONFIG}', '--repeats=2'],
                        capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  told = json.loads(done.stdout)
  assert set(told) == {'fit', 'meta_update'}
  for part in told.values():
    assert part['turns'] == 2 and part['alone'] > 0 and part['strategy'] > 0 and part['overhead'] > -1
