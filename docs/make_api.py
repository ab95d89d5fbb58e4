"""Writes pages of the whole package, made of its docstrings by pdoc; a warning ends it.

  pip install -e .[docs]
  python docs/make_api.py api          then open api/index.html
"""

import os
import pathlib
import sys
import warnings

import mbrl_tf  # noqa: F401 (before TensorFlow, which it sets up)

# Policies inherit properties whose types TF-Agents names by texts that only its own modules know.
_OF_TF_AGENTS = r'Error parsing type annotation [\s\S]*Import of Nested\w+ failed'


def main(folder):
  """Writes the pages into a folder."""
  os.environ['PDOC_ALLOW_EXEC'] = '1'  # TensorFlow asks the machine what it is
  import pdoc
  warnings.simplefilter('error')
  for category in (DeprecationWarning, SyntaxWarning):  # of packages
    warnings.filterwarnings('ignore', category=category)
  warnings.filterwarnings('ignore', _OF_TF_AGENTS)
  pdoc.render.configure(docformat='google')
  pdoc.pdoc('mbrl_tf', output_directory=pathlib.Path(folder))


if __name__ == '__main__':
  if len(sys.argv) != 2:
    sys.exit(__doc__)
  main(sys.argv[1])
