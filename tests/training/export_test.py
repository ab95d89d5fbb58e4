"""Exports load in a process that has plain TensorFlow only."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver
from mbrl_tf.training import export
from tests import fakes

_LOAD = '''
import json, os, sys
for name in ('mbrl_tf', 'tf_agents', 'tensorflow_probability', 'tf_keras'):
  sys.modules[name] = None
import tensorflow as tf
policy = tf.saved_model.load(os.path.join(sys.argv[1], 'policy'))
model = tf.saved_model.load(os.path.join(sys.argv[1], 'model'))
action = policy.signatures['action'](**{
    '0/observation': tf.zeros([7, 3]), '0/step_type': tf.ones([7], tf.int32), '0/discount': tf.ones([7]), '0/reward': tf.zeros([7])})
print(json.dumps({
    'action': action['action'].numpy().tolist(),
    'train_step': int(policy.get_train_step()),
    'sum': model.predict(tf.constant([1., 2.]))['sum'].numpy().tolist(),
    'signature': model.signatures['predict'](x=tf.constant([1., 2.]))['sum'].numpy().tolist()}))
'''


@pytest.fixture
def algorithm(tmp_path):
  environment = fakes.CountingEnvironment([[5]] * 2)
  store = episodes.EpisodeStore(tmp_path / 'episodes')
  algorithm = fakes.CountingAlgorithm(driver.EpisodeDriver(environment, [store.append]), store)
  next(algorithm.iterations())
  return algorithm


def test_both_load_where_nothing_of_ours_is_installed(tmp_path, algorithm):
  config = fakes.CountingConfig()
  config.environment.kwargs = {'healthy_z_range': (0.7, float('inf'))}
  path = export.export(algorithm, fakes.vector_spec(), config, tmp_path / 'exported')
  said = subprocess.run([sys.executable, '-c', _LOAD, str(path)], capture_output=True, text=True, cwd=tmp_path, check=True)
  loaded = json.loads(said.stdout)
  action = np.array(loaded['action'])
  assert action.shape == (7, 2) and np.abs(action).max() <= 1 and len(np.unique(action)) == 14
  assert loaded['train_step'] == algorithm.env_steps == 20
  assert loaded['sum'] == loaded['signature'] == [21, 22]
  metadata = json.loads((path / 'export.json').read_text())
  assert metadata['environment']['observation'] == {'shape': [3], 'dtype': 'float32'}
  assert metadata['config']['environment']['kwargs']['healthy_z_range'] == [0.7, {'$float': 'inf'}]
  assert metadata['config']['part']['rate'] == 0.5 and metadata['versions']['tensorflow']


def test_an_earlier_export_is_replaced_and_nothing_else_is(tmp_path, algorithm):
  arguments = algorithm, fakes.vector_spec(), fakes.CountingConfig()
  path = export.export(*arguments, tmp_path / 'exported')
  algorithm.state.counter.assign(99)
  export.export(*arguments, path)
  assert json.loads((path / 'export.json').read_text())['env_steps'] == 99
  assert sorted(item.name for item in tmp_path.iterdir()) == ['episodes', 'exported']

  precious = tmp_path / 'precious'
  precious.mkdir()
  (precious / 'thesis.txt').write_text('years of work')
  with pytest.raises(errors.UserError, match='not overwritten.*Received: export_dir='):
    export.export(*arguments, precious)
  assert (precious / 'thesis.txt').read_text() == 'years of work'
