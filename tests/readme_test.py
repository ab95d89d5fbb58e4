"""The programs in README.md and docs/ do what these say, as a reader would run them."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

from tests.launchers import bad_input_test

_ROOT = pathlib.Path(__file__).parent.parent
_DOCUMENTS = [_ROOT / 'README.md', *sorted((_ROOT / 'docs').glob('*.md'))]
_TINY = ['--config.run.env_steps=200', '--config.collect.random_env_steps=100', '--config.collect.env_steps_per_iteration=100',
         '--config.environment.num_envs=2', '--config.ensemble.members=2', '--config.ensemble.max_epochs=2',
         '--config.imagination.horizon=3', '--config.meta.updates_per_iteration=1', '--config.meta.outer_epochs=1']
_TINY_TDMPC2 = ['--config.run.env_steps=200', '--config.collect.random_env_steps=100',
                '--config.collect.env_steps_per_iteration=100', '--config.replay.batch_size=4',
                '--config.replay.horizon=1', '--config.value.returns=1',
                '--config.policy.imagined_steps=0', '--config.planner.rounds=1',
                '--config.run.evaluate_every_env_steps=0', '--config.model.latent=8',
                '--config.model.units=8', '--config.model.bins=5']
# As on a machine that has only TensorFlow: whatever else is imported fails.
_BLOCK = 'import sys\nfor name in ("mbrl_tf", "tf_agents", "tensorflow_probability", "tf_keras"): sys.modules[name] = None\n'


def program(name):
  """Returns the block of code that a document gives for a file."""
  text = '\n'.join(document.read_text() for document in _DOCUMENTS)
  block = rf'<!-- file: {re.escape(name)} -->\n```python\n(.*?)```'
  (found,) = re.findall(block, text, re.DOTALL)
  return found


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A reader's folder, in which MB-MPO learned the environment with a reward function."""
  path = tmp_path_factory.mktemp('reader')
  (path / 'cart_with_reward.py').write_text(program('cart_with_reward.py'))
  launch(path, 'train', '--config=cart_with_reward.py', '--run_dir=runs/cart', *_TINY)
  return path


def launch(folder, launcher, *arguments):
  """Runs a launcher in the reader's folder, in this process, which has loaded TensorFlow already."""
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(folder)
    patch.syspath_prepend(folder)
    for name in ('cart', 'cart_with_reward'):
      patch.delitem(sys.modules, name, raising=False)  # another folder's
    assert bad_input_test.launch(launcher, *arguments) == 0


def test_an_environment_needs_nothing_but_itself(tmp_path):
  (tmp_path / 'cart.py').write_text(program('cart.py'))
  launch(tmp_path, 'train', f'--config={_ROOT}/configs/tdmpc2/vectors.py',
         '--config.environment.name=cart:Cart', '--run_dir=runs/cart', *_TINY_TDMPC2)
  last = json.loads((tmp_path / 'runs/cart/metrics.jsonl').read_text().splitlines()[-1])
  assert last['learn/updates'] >= 100 and last['collect/return_mean'] <= 50


def test_the_readers_environment_is_learned_from(folder):
  last = json.loads((folder / 'runs' / 'cart' / 'metrics.jsonl').read_text().splitlines()[-1])
  # A step rewards at most 1, and an episode has 50 at most.
  assert last['env_steps'] >= 200 and last['collect/return_mean'] <= 50
  assert 'model/error_horizon_1' in last and 'imagine/return_after_mean' in last


def test_the_exported_policy_and_model_are_used_as_shown(folder):
  launch(folder, 'export', '--run_dir=runs/cart', '--export_dir=exported', '--lite')
  names = ('use_exported.py', 'serve_exported.py', 'act_lite.py')
  (folder / 'use_exported.py').write_text(_BLOCK + '\n'.join(program(name) for name in names))
  done = subprocess.run([sys.executable, 'use_exported.py'], cwd=folder, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert done.stdout.splitlines()[:2] == ['(4, 1)', '(2, 4, 2)']
  assert re.search(r"'action': <tf.Tensor: shape=\(4, 1\)", done.stdout)
  assert re.search(r"'action': array\(\[\[", done.stdout)


def test_own_data_is_imported_and_exported_as_shown(folder, capfd):
  launch(folder, 'export_episodes', '--run_dir=runs/cart', '--to=recorded')
  for name in ('cart.py', 'record.py'):
    (folder / name).write_text(program(name))
  subprocess.run([sys.executable, 'record.py'], cwd=folder, check=True)
  assert (folder / 'recorded' / '0.npz').exists()
  capfd.readouterr()
  launch(folder, 'import_episodes', f'--config={_ROOT}/configs/tdmpc2/vectors.py',
         '--config.environment.name=cart:Cart', '--run_dir=runs/mine', '--from=recorded')
  told = json.loads(capfd.readouterr().out)
  assert told['episodes'] == len(list((folder / 'recorded').iterdir())) > 2


def anchors(document):
  """Where links into a document can lead: its headings, as GitHub spells them."""
  headings = re.findall(r'^#+ (.+)$', document.read_text(), re.MULTILINE)
  return [re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings]


def test_files_and_folders_that_are_linked_exist():
  documents = [*_DOCUMENTS, _ROOT / 'BUILD.md', *_ROOT.glob('mbrl_tf/algorithms/*/README.md'),
               *_ROOT.glob('results/*.md')]
  assert len(documents) >= 10
  for document in documents:
    for link, _, anchor in re.findall(r'\]\(([\w./-]*)(#([\w-]+))?\)', document.read_text()):
      target = document.parent / link if link else document
      assert target.exists(), f'{document}: {link}'
      assert not anchor or anchor in anchors(target), f'{document}: {link}#{anchor}'
