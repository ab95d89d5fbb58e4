#!/usr/bin/env bash
# Makes a virtual environment in .venv with the tested versions; does nothing where up to date.
# PYTHON=/path/to/python3.12 chooses the interpreter, VENV=folder another place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
venv=${VENV:-.venv}
if [ -n "${PYTHON:-}" ]; then
  candidates=("$PYTHON")
else  # All on PATH: the first of a name may be another version, or a shim of one that is not there.
  mapfile -t candidates < <(type -aP python3 python python3.13 python3.12 python3.11 python3.10)
fi

fits() {  # INTERPRETER MODULE: whether it is a version that was tested, and has the module.
  "$1" -c "import $2, sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))" 2>/dev/null
}

version() {
  "$1" --version 2>/dev/null || echo "no $1"
}

refuse() {
  echo "mbrl_tf needs Python 3.10 to 3.13 with its venv module (Debian and Ubuntu: python3-venv)." \
    "Install one, or uv, which downloads one, or name one as PYTHON=/path/to/python3.12," \
    "and run this again. Received: $1" >&2
  exit 2
}

is_made() {  # Whether the environment is there, and made by the Python that was named, if one was.
  fits "$venv/bin/python" pip &&
    { [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$(version "$venv/bin/python")" ]; }
}

of_uv() {  # Prints the path of a Python of uv's own, which is downloaded where there is none yet.
  local range='>=3.10,<3.14' find=(uv python find --python-preference only-managed)
  "${find[@]}" "$range" 2>/dev/null ||
    { uv python install --quiet "$range" && "${find[@]}" "$range"; }
}

make() {
  local candidate said
  for candidate in "${candidates[@]}"; do
    # ensurepip is what Debian leaves out of its python3 package, and venv needs it.
    if fits "$candidate" ensurepip; then
      "$candidate" -m venv --clear "$venv"
      return
    fi
  done
  if [ -n "${PYTHON:-}" ] || ! type -P uv >/dev/null; then
    refuse "$(version "${PYTHON:-python3}")"
  fi
  said=$(of_uv 2>&1) || refuse "$(version python3), and from uv: $(head -n 1 <<< "$said")"
  "${said##*$'\n'}" -m venv --clear "$venv"
}

is_made || make
wanted=$(cat requirements.txt setup.py pyproject.toml | cksum)
if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
  echo "Installing into $venv with $(version "$venv/bin/python"); this takes some minutes." >&2
  install=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps)
  "${install[@]}" --requirement requirements.txt
  "${install[@]}" --editable .
  echo "$wanted" > "$venv/installed"
fi
