"""Installs mbrl_tf with its launchers, configs and benchmarks.

Exactly tested versions are in requirements.txt.
"""

import pathlib
import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 13):
  sys.exit('mbrl_tf needs Python 3.10 to 3.13, on which it was tested: make a virtual environment '
           'with one of them and install there. '
           f'Received: Python {sys.version_info[0]}.{sys.version_info[1]}')

import setuptools

# Beside the package in a checkout, which an editable installation puts on Python's path as it is.
# In a wheel they lie inside of the package, because their names are not ours alone.
_BESIDE = setuptools.find_packages(include=['launchers*', 'configs*', 'benchmarks*'])
_INSIDE = {} if 'editable_wheel' in sys.argv else {
    f'mbrl_tf.shipped.{name}': name.replace('.', '/') for name in _BESIDE}
_LINES = (pathlib.Path(__file__).parent / 'requirements.txt').read_text().splitlines()

setuptools.setup(
    name='mbrl_tf',
    version='0.2.0',
    description='Model-based reinforcement learning with TensorFlow 2 and Keras',
    license='Apache-2.0',
    python_requires='>=3.10,<3.14',
    packages=[*setuptools.find_packages(include=['mbrl_tf*']), *(_INSIDE or _BESIDE)],
    package_dir=_INSIDE,
    entry_points={'console_scripts': ['mbrl-tf = mbrl_tf.__main__:main']},
    install_requires=[
        'absl-py>=2',
        'mujoco>=3.17,<4',
        # 1.4 needs a newer typing-extensions than tf-agents allows.
        'gymnasium[mujoco]>=1.3,<1.4',
        'matplotlib>=3.8',
        'ml_collections>=1.1',
        'numpy>=2',
        'packaging>=23',
        'pillow>=10',
        # Draws Gymnasium's pendulum and cart-pole.
        'pygame>=2.1.3',
        # Not part of tensorflow any more, and tf.summary needs it.
        'tensorboard>=2.21,<2.22',
        'tensorflow>=2.21,<2.22',
        'tf-keras>=2.21,<2.22',
        'tensorflow-probability>=0.23,<0.24',
        'tqdm>=4.60',
        # Where pip cannot follow what these two ask for, it gets all of that but what is not used,
        # and mbrl_tf/__init__.py names the command that brings them. dm_control 1.0.50 fails with
        # mujoco 4: `suite.load` says that MjModel has no flex_vertedge.
        "dm_control==1.0.50; python_version < '3.13'",
        'dm-env', 'dm-tree', 'glfw', 'lxml', 'pyopengl', 'pyparsing', 'requests', 'scipy',
        "tf-agents==0.19.0; python_version < '3.12'",
        'cloudpickle', 'gin-config', 'gym==0.23.0', 'protobuf', 'setuptools', 'six',
        'typing-extensions', 'wrapt',
    ],
    extras_require={
        'docs': ['pdoc>=16'],  # docs/make_api.py
        # Data sets to import from and to export to.
        'minari': ['minari[hdf5]>=0.5'],
        'test': ['hypothesis>=6', 'mypy', 'pytest>=8', 'pytest-xdist>=3', 'ruff'],
        # Not to be installed by: launchers/check_installation.py reads here what was tested.
        'tested': [line for line in _LINES if line and not line.startswith('#')],
    },
)
