#!/usr/bin/env bash
# Installs where needed, then trains MB-MPO on the pendulum. Further arguments go to the trainer: ./run_example.sh --seed=1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./install.sh
exec "${VENV:-.venv}/bin/python" -m launchers.train --config=configs/mbmpo/pendulum.py "$@"
