#!/usr/bin/env bash
# Makes .venv: the locked development dependencies, this package (editable) and, beside them in
# .venv/openai2, openai 2.x. Each step leaves a stamp with the hash of what it was made from, so that a
# second run does nothing and a changed lock file is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python from 3.11 on was found; install one (Debian 12 and later: apt-get install python3 python3-venv)," \
    "or name it: make setup PYTHON=/path/to/python3.11"
}

# once NAME FILES... -- COMMAND...: runs the command unless it ran for these very files.
once() {
  local name=$1 files=() wanted
  shift
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  shift
  wanted=$(cat "${files[@]}" | sha256sum)
  [ "$(cat ".venv/.made-$name" 2>/dev/null)" = "$wanted" ] && return
  say "$name"
  "$@"
  echo "$wanted" >".venv/.made-$name"
}

# --no-deps: the lock files are whole, and pip would weigh a newer release of what is asked with an extra.
install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes "$@"; }
install_package() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
}
install_openai2() { rm -rf .venv/openai2 && install --target .venv/openai2 -r requirements-openai2.lock; }

if [ ! -x .venv/bin/python ]; then
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments; on Debian: apt-get install python3-venv"
  say "virtual environment in .venv with $("$python" --version)"
  "$python" -m venv .venv
fi
once dependencies requirements-dev.lock -- install -r requirements-dev.lock
once package pyproject.toml -- install_package
once openai2 requirements-openai2.lock -- install_openai2
