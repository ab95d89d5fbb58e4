#!/usr/bin/env bash
# Makes a virtual environment in .venv with the versions that were tested; does nothing where it is up to date.
# PYTHON=/path/to/python3.11 chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.10 python3 python /usr/bin/python3.11 /usr/bin/python3.10}; do
    # ensurepip is what Debian leaves out of its python3 package, and no environment can be made without it.
    if "$candidate" -c 'import ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  local found
  found=$("${PYTHON:-python3}" --version 2>/dev/null || echo "no ${PYTHON:-python3}")
  echo "mbrl_tf needs Python 3.10 or 3.11 with its venv module, because TF-Agents pins a pygame without wheels for later ones:" \
    "install python3.11 and python3.11-venv (or name one as PYTHON=...) and run this again. Received: $found" >&2
  return 2
}

wanted=$(cat requirements.txt setup.py pyproject.toml | cksum)
if [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ]; then
  python=$(find_python)
  echo "Installing into .venv with $("$python" --version); this takes some minutes." >&2
  "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
  echo "$wanted" > .venv/installed
fi
