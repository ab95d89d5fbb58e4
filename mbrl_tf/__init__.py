"""Model-based reinforcement learning with TensorFlow 2 and Keras.

TensorFlow Probability 0.23 and TF-Agents 0.19 are written for Keras 2, which TensorFlow uses only when
`TF_USE_LEGACY_KERAS=1` is set before `tensorflow` is imported. Importing this package sets it. The package itself
imports neither TensorFlow nor MuJoCo, so that simulator processes can use `mbrl_tf.environments` without them.
"""

import importlib.util
import os
import sys

__version__ = '0.2.0'

if 'tensorflow' in sys.modules and os.environ.get('TF_USE_LEGACY_KERAS') not in ('1', 'true', 'True'):
  raise ImportError(
      'mbrl_tf needs Keras 2, and TensorFlow was imported before it with Keras 3. '
      'Import mbrl_tf before tensorflow, or set TF_USE_LEGACY_KERAS=1 in the environment. '
      f'Received: TF_USE_LEGACY_KERAS={os.environ.get("TF_USE_LEGACY_KERAS")!r}')
os.environ['TF_USE_LEGACY_KERAS'] = '1'

_missing = [name for name in ('tf_agents', 'dm_control') if importlib.util.find_spec(name) is None]
if _missing:
  raise ImportError(
      'mbrl_tf needs TF-Agents and dm_control, which pip leaves out where what their metadata asks '
      'for is not to be had: TF-Agents on Python 3.12 and later, dm_control on 3.13. '
      '`pip install --no-deps tf-agents==0.19.0 dm_control==1.0.50` brings both. Received: '
      f'Python {sys.version_info[0]}.{sys.version_info[1]} without {" and ".join(_missing)}')

# tf-agents imports the old `gym`, which prints a notice to everyone who imports it. Its authors mean those who use gym.
try:
  from gym_notices import notices
  notices.notices.clear()
except ImportError:
  pass
