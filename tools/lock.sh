#!/usr/bin/env bash
# Resolves pyproject.toml into the two lock files: every version with its hashes, for every Python from
# 3.11 and every platform, and no index address, so that any mirror of the registry serves them.
# Versions stay as locked where they still fit; `tools/lock.sh --upgrade` takes the newest.
set -euo pipefail
cd "$(dirname "$0")/.."

options=(--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate
  --custom-compile-command "make lock" --quiet "$@")

.venv/bin/uv pip compile pyproject.toml --all-extras --group dev "${options[@]}" \
  --output-file requirements-dev.lock
# All but the SDK in the same versions, so that only the SDK differs between two test runs.
.venv/bin/uv pip compile --group openai2 \
  --constraints <(grep '^[a-z0-9]' requirements-dev.lock | grep -v '^openai==' | tr -d '\\') "${options[@]}" \
  --output-file requirements-openai2.lock

if grep -nE '://|--(extra-)?index-url|--find-links' requirements-*.lock; then
  echo "lock.sh: a lock file names an address (above); remove the setting that put it there" >&2
  exit 1
fi
