"""Policy and world model do the same in a process that has plain TensorFlow only."""

import dataclasses
import pathlib
import re
import subprocess
import sys
import types as python_types

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from mbrl_tf import types
from mbrl_tf.algorithms.dreamer import build
from mbrl_tf.training import export
from tests.algorithms.dreamer import small

N, STEPS = 3, 4
# As on a machine that has only TensorFlow: whatever else is imported fails.
_BLOCK = 'import sys\nfor name in ("mbrl_tf", "tf_agents", "tensorflow_probability", "tf_keras"): sys.modules[name] = None\n'
# Acts and follows with the model for some steps, and predicts one step more.
_LOAD = _BLOCK + f'''
import os
import numpy as np
import tensorflow as tf
policy, model = (tf.saved_model.load(os.path.join(sys.argv[1], name)) for name in ('policy', 'model'))
act, given, told = policy.signatures['action'], dict(np.load('given.npz')), {{}}
keys = [name for name in given if name.startswith('observation')]
initial = policy.signatures['get_initial_state'](batch_size=tf.constant({N}))
carried = {{'state/' + name: value for name, value in initial.items()}}
state = [tf.zeros([{N}, size]) for size in (8, 4)]
for t in range({STEPS}):
  seen = {{'0/' + key: tf.constant(given[key][t]) for key in keys}}
  carried = {{name.replace('state/', '1/'): value for name, value in carried.items() if name.startswith('state/')}}
  step_type = tf.fill([{N}], 0 if t == 0 else 1)
  carried = act(**seen, **carried, **{{'0/step_type': step_type, '0/reward': tf.zeros([{N}]), '0/discount': tf.ones([{N}])}})
  told[f'action_{{t}}'] = carried['action']
  observed = {{key.split('/')[-1]: tf.constant(given[key][t]) for key in keys}}
  observed = observed.get('observation', observed)
  state = model.observe(*state, tf.constant(given['action'][t]), tf.fill([{N}], t == 0), observed, tf.constant([t, 7]))
  state = [state['deterministic'], state['stochastic']]
  told.update({{f'{{name}}_{{t}}': value for name, value in model.decode(*state).items()}})
imagined = model.imagine(*state, tf.constant(given['action'][0]), tf.constant([1, 7]))
told.update({{f'imagined_{{name}}': value for name, value in imagined.items()}})
np.savez('told.npz', **{{name: value.numpy() for name, value in told.items()}})
'''


def data(spec):
  """Observations `[STEPS, N, ...]` by name, and actions."""
  batches = [small.batch(spec, seed) for seed in range(STEPS)]
  rows = [tf.nest.map_structure(lambda value: value[:N, 1].numpy(), batch.observation) for batch in batches]
  stacked = tf.nest.map_structure(lambda *values: np.stack(values), *rows)
  stacked = stacked if isinstance(stacked, dict) else {'': stacked}
  named = {f'observation/{key}'.rstrip('/'): value for key, value in stacked.items()}
  return rows, {**named, 'action': np.stack([batch.action[:N, 1].numpy() for batch in batches])}


def expected(parts, rows, actions):
  """The same, with what is exported."""
  policy, model, told = parts.policy, parts.exported_model, {}
  policy_state, state = policy.get_initial_state(N), {'deterministic': tf.zeros([N, 8]), 'stochastic': tf.zeros([N, 4])}
  for t, row in enumerate(rows):
    seen = tf.nest.map_structure(tf.constant, row)
    chosen = policy.action(ts.restart(seen, N) if t == 0 else ts.transition(seen, tf.zeros([N])), policy_state)
    policy_state, told[f'action_{t}'] = chosen.state, chosen.action
    state = model.observe(state['deterministic'], state['stochastic'], tf.constant(actions[t]), tf.fill([N], t == 0), seen,
                          tf.constant([t, 7]))
    told.update({f'{name}_{t}': value for name, value in model.decode(state['deterministic'], state['stochastic']).items()})
  imagined = model.imagine(state['deterministic'], state['stochastic'], tf.constant(actions[0]), tf.constant([1, 7]))
  return {**told, **{f'imagined_{name}': value for name, value in imagined.items()}}


@pytest.mark.parametrize('observation, choices', [('pixels', None), ('both', 3)])
def test_policy_and_model_act_and_predict_alike_where_nothing_of_ours_is_installed(observation, choices, tmp_path):
  spec, config = small.spec(observation, choices), small.config()
  parts = build.Parts(config, spec, seed=1)
  algorithm = python_types.SimpleNamespace(
      env_steps=10, evaluation_policy=lambda: parts.policy, model_module=lambda: parts.exported_model)
  path = export.export(algorithm, spec, config, tmp_path / 'exported')
  rows, given = data(spec)
  np.savez(tmp_path / 'given.npz', **given)
  done = subprocess.run([sys.executable, '-c', _LOAD, str(path)], capture_output=True, text=True, cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  told, wanted = dict(np.load(tmp_path / 'told.npz')), expected(parts, rows, given['action'])
  assert set(told) == set(wanted)
  for name, value in wanted.items():
    np.testing.assert_allclose(told[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
  assert (told['action_0'] != told['action_1']).any()
  if observation == 'pixels':
    check_the_readme(tmp_path)


def test_inputs_of_the_model_keep_their_names_beside_observations_of_any_key():
  keys = ('action', 'seed', 'front-camera', 'arm/angle')
  spec = dataclasses.replace(small.spec(), observation={key: types.ArraySpec((4,), 'float32') for key in keys})
  model = build.Parts(small.config(), spec, seed=1).exported_model
  names = [each.name for each in tf.nest.flatten(model.observe.input_signature)]
  assert sorted(names) == sorted(['deterministic', 'stochastic', 'action', 'is_first', 'seed', *(f'observation/{key}' for key in keys)])


def check_the_readme(folder):
  """The program that README.md gives runs there, beside `exported/` of a run that observes images of 64 x 64."""
  readme = (pathlib.Path(build.__file__).parent / 'README.md').read_text()
  program = re.search(r'<!-- file: follow.py -->\n```python\n(.*?)```', readme, re.DOTALL).group(1)
  done = subprocess.run([sys.executable, '-c', _BLOCK + program], capture_output=True, text=True, cwd=folder)
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('(1, 64, 64, 3)\n') and done.stdout.count('shape=(1,)') == 2
