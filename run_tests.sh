#!/usr/bin/env bash
# Installs where needed, then runs all tests, in two processes. Further arguments go to pytest: ./run_tests.sh tests/ops
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./install.sh
# By file, so that what a module's tests share is made once; in order, so that the longest do not come last.
exec "${VENV:-.venv}/bin/python" -m pytest \
  --numprocesses 2 --dist loadfile --no-loadscope-reorder "$@"
