"""Installs mbrl_tf, its launchers, configs and benchmarks. Exactly tested versions are in requirements.txt."""

import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 11):
  sys.exit('mbrl_tf needs Python 3.10 or 3.11, because tf-agents 0.19 pins a pygame without wheels for later ones: '
           'make a virtual environment with python3.11 and install there. '
           f'Received: Python {sys.version_info[0]}.{sys.version_info[1]}')

import setuptools

setuptools.setup(
    name='mbrl_tf',
    version='0.1.0',
    description='Model-based reinforcement learning with TensorFlow 2 and Keras',
    license='Apache-2.0',
    python_requires='>=3.10,<3.12',
    packages=setuptools.find_packages(include=['mbrl_tf*', 'launchers*', 'configs*', 'benchmarks*']),
    install_requires=[
        'absl-py>=2',
        # 1.0.50 fails with mujoco 4: `suite.load` says that MjModel has no flex_vertedge.
        'dm_control==1.0.50',
        'mujoco>=3.17,<4',
        # 1.4 needs a newer typing-extensions than tf-agents allows.
        'gymnasium[mujoco]>=1.3,<1.4',
        'matplotlib>=3.8',
        'ml_collections>=1.1',
        'numpy>=2',
        'pillow>=10',
        # Not part of tensorflow any more, and tf.summary needs it.
        'tensorboard>=2.21,<2.22',
        'tensorflow>=2.21,<2.22',
        'tf-agents==0.19.0',
        'tf-keras>=2.21,<2.22',
        'tensorflow-probability>=0.23,<0.24',
        'tqdm>=4.60',
    ],
    extras_require={'test': ['hypothesis>=6', 'pytest>=8', 'pytest-xdist>=3']},
)
