"""Exports load in a process that has plain TensorFlow only."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mbrl_tf import errors, types
from mbrl_tf.data import episodes
from mbrl_tf.drivers import driver, policies
from mbrl_tf.environments import catalog
from mbrl_tf.training import export, serving
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


def test_the_parts_of_an_action_are_named_with_their_places_and_bounds(tmp_path, algorithm):
  with catalog.make('tests.environments.acting_environments:Acting', kwargs={'kind': 'mixed'}) as environment:
    spec = environment.spec
  assert export._describe_action(spec.action, spec.action_parts) == {
      'shape': [4], 'dtype': 'float32', 'numbers': 1, 'choices': [3, 2, 2], 'parts': {
          'gear': {'entries': [1, 2], 'shape': [], 'dtype': 'int64', 'minimum': [1], 'maximum': [3]},
          'push': {'entries': [0, 1], 'shape': [1], 'dtype': 'float32', 'minimum': [-1.0], 'maximum': [1.0]},
          'switches': {'entries': [2, 4], 'shape': [2], 'dtype': 'int8', 'minimum': [0, 0], 'maximum': [1, 1]}}}
  with catalog.make('gym:Pendulum-v1') as environment:
    spec = environment.spec
  assert export._describe_action(spec.action, spec.action_parts)['parts'] == {'action': {
      'entries': [0, 1], 'shape': [1], 'dtype': 'float32', 'minimum': [-2.0], 'maximum': [2.0]}}
  # What LiteRT cannot compute leaves nothing behind: these actions are random.
  with pytest.raises(errors.UserError, match='LiteRT'):
    export.export(algorithm, fakes.vector_spec(), fakes.CountingConfig(), tmp_path / 'exported', lite=True)
  assert [item.name for item in tmp_path.iterdir()] == ['episodes']


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


@pytest.mark.parametrize('keys, names', [
    (['pos', 'Pos', 'a.b', 'a/b', 'a_b'], ['pos', 'Pos_2', 'a_b', 'a_b_2', 'a_b_3']),
    (['is_first', 'is-first'], ['is_first', 'is_first_2'])])
def test_names_of_served_arrays_differ_by_more_than_capitals_and_punctuation(keys, names):
  assert serving._named({key: key for key in keys}, set()) == dict(zip(names, keys))


def test_any_key_becomes_a_name_that_a_server_can_be_called_by(tmp_path):
  keys = ['0/cell', '1', '_x', 'ä', 'is_first', 'a b', 'A/b']
  spec = types.EnvironmentSpec(
      'a:task', {key: types.ArraySpec((2,), 'float32') for key in keys}, types.ActionSpec(3), 5)
  policy = policies.UniformRandomPolicy(spec, seed=1)
  served = serving.ServedPolicy(policy, spec, [policy.generator])
  assert {name: told['key'] for name, told in served.inputs.items()} == {
      'observation_0_cell': '0/cell', 'observation_1': '1', 'observation__x': '_x',
      'observation__': 'ä', 'is_first': 'is_first', 'a_b': 'a b', 'A_b_2': 'A/b'}
  assert served.outputs == {'action': {'shape': [3], 'dtype': 'float32'}}
  tf.saved_model.save(served.module, str(tmp_path / '1'),
                      signatures={'serving_default': served.function})
  loaded = tf.saved_model.load(str(tmp_path / '1')).signatures['serving_default']
  assert loaded(**{name: tf.zeros([4, 2]) for name in served.inputs})['action'].shape == [4, 3]


@pytest.mark.parametrize('place', ['exported/notes.txt', 'exported/serving/notes.txt',
                                   'exported/serving/20/notes.txt', 'exported/policy/notes.txt',
                                   'exported/model/variables/backup.index',
                                   '.exported.partial/thesis.txt', '.exported.old/thesis.txt'])
def test_what_somebody_put_beside_an_export_is_not_lost(place, tmp_path, algorithm):
  arguments = algorithm, fakes.vector_spec(), fakes.CountingConfig(), tmp_path / 'exported'
  export.export(*arguments)
  (tmp_path / place).parent.mkdir(exist_ok=True)
  (tmp_path / place).write_text('years of work')
  before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
  with pytest.raises(errors.UserError, match='not overwritten.*Received: export_dir='):
    export.export(*arguments)
  assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


@pytest.mark.parametrize('linked', ['exported', '.exported.partial', '.exported.old'])
def test_no_link_is_followed(linked, tmp_path, algorithm):
  arguments = algorithm, fakes.vector_spec(), fakes.CountingConfig()
  export.export(*arguments, tmp_path / 'kept')
  (tmp_path / linked).symlink_to('kept')
  with pytest.raises(errors.UserError, match='not overwritten'):
    export.export(*arguments, tmp_path / 'exported')
  assert (tmp_path / linked).is_symlink() and (tmp_path / 'kept' / 'export.json').exists()


def test_what_killed_exports_left_is_no_hindrance(tmp_path, algorithm):
  arguments = algorithm, fakes.vector_spec(), fakes.CountingConfig(), tmp_path / 'exported'
  export.export(*arguments).rename(tmp_path / '.exported.old')
  (tmp_path / '.exported.partial' / 'policy' / 'variables').mkdir(parents=True)
  export.export(*arguments)
  assert {path.name for path in tmp_path.iterdir()} == {'episodes', 'exported'}


@pytest.mark.parametrize('name', ['a[1]', 'back\\slash'])
def test_where_the_export_could_not_be_loaded_nothing_is_written(name, tmp_path, algorithm):
  with pytest.raises(errors.UserError, match='for a pattern.*Received: export_dir='):
    export.export(algorithm, fakes.vector_spec(), fakes.CountingConfig(), tmp_path / name)
  assert not (tmp_path / name).exists()


@pytest.mark.parametrize('name', ['a*b?', 'a,b', '{x} y', '~', 'läuft-走', 'a:b'])
def test_any_other_name_will_do(name, tmp_path, algorithm):
  (tmp_path / 'axb_').mkdir()
  path = export.export(algorithm, fakes.vector_spec(), fakes.CountingConfig(), tmp_path / name)
  for part in ('policy', 'model'):
    tf.saved_model.load(str(path / part))
