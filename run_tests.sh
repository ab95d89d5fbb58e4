#!/usr/bin/env bash
# Installs where needed, then runs all tests. Further arguments go to pytest: ./run_tests.sh tests/ops
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./install.sh
exec .venv/bin/python -m pytest "$@"
