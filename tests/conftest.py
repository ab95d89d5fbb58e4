"""Imported before any test: `mbrl_tf` must come before TensorFlow, whatever order a test imports them in."""

import atexit
import os
import pathlib
import shutil
import tempfile

import pytest

import mbrl_tf  # noqa: F401

os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')  # half the time for convolutions, of which the tests have most
# Programs are small here, and take longer to compile than to run: a third of that time less.
os.environ.setdefault('XLA_FLAGS', '--xla_backend_optimization_level=0')
if 'TF_XLA_FLAGS' not in os.environ:
  # In the first process: those that it starts find here what another has compiled. TensorFlow 2.21
  # writes each program beside its name and moves it there, so that none is read half-written.
  _compiled = tempfile.mkdtemp(prefix='mbrl_tf_compiled_')
  atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
  os.environ['TF_XLA_FLAGS'] = f'--tf_xla_persistent_cache_directory={_compiled}'
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # each program found there is told as an error, of a format tried before
os.environ['MBRL_TF_CACHE'] = 'off'  # nothing of the user's is touched
os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')  # two processes test at once

# Folders and files that take more than about ten seconds. `-m "not slow"` leaves them out.
_TESTS = pathlib.Path(__file__).parent
_SLOW = (
    'algorithms/dreamer/exported_model_test.py', 'algorithms/dreamer/iteration_test.py',
    'algorithms/dreamer/learner_test.py', 'algorithms/dreamer/open_loop_test.py',
    'algorithms/dreamer/overlap_test.py', 'algorithms/dreamer/recipe_test.py',
    'algorithms/ensembles/ensemble_fit_test.py', 'algorithms/ensembles/outcome_fit_test.py',
    'algorithms/mbmpo/iteration_test.py', 'algorithms/pets/planner_test.py',
    'algorithms/mbmpo/meta_learner_test.py',
    'algorithms/mbmpo/policy_test.py', 'algorithms/mbmpo/units_test.py',
    'algorithms/tdmpc2/exported_model_test.py', 'algorithms/tdmpc2/iteration_test.py',
    'algorithms/tdmpc2/learner_test.py', 'algorithms/tdmpc2/planner_test.py',
    'algorithms/tdmpc2/policy_test.py', 'compiled_test.py', 'configs_test.py',
    'contracts/algorithm_contract_test.py', 'contracts/environment_contract_test.py',
    'contracts/suite_contract_test.py', 'data/fuzz_test.py', 'data/sequences_test.py',
    'environments/base_test.py', 'environments/guests_test.py', 'environments/parallel_test.py',
    'environments/pixels_test.py', 'environments/rendering_test.py',
    'environments/vectorized_test.py', 'examples_test.py', 'kill_test.py',
    'launchers/bad_input_test.py', 'launchers/benchmark_test.py', 'launchers/check_test.py',
    'launchers/dreamer_benchmark_test.py', 'launchers/dreamer_resume_test.py',
    'launchers/dry_run_test.py', 'launchers/faults_test.py', 'launchers/launchers_test.py',
    'launchers/own_data_test.py', 'launchers/replay_memory_test.py',
    'launchers/rude_guests_test.py', 'learning', 'models/dynamics_ensemble_test.py',
    'readme_test.py', 'scale', 'soak_test.py', 'training/disk_full_test.py',
    'training/export_test.py', 'training/loop_test.py', 'training/placement_test.py',
    'wheel_test.py')


def pytest_collection_modifyitems(items):
  slow = [_TESTS / name for name in _SLOW]
  assert all(path.exists() for path in slow), _SLOW
  for item in items:
    if any(item.path.is_relative_to(path) for path in slow):
      item.add_marker(pytest.mark.slow)


@pytest.fixture(scope='session')
def gl():
  """The OpenGL back end that works here; a test that needs one is skipped where none does, with the packages that bring it."""
  from mbrl_tf import errors
  from mbrl_tf.environments import rendering
  try:
    return rendering.back_end()
  except errors.UserError as error:
    pytest.skip(str(error))
