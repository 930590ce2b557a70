#!/usr/bin/env bash
# Prints .env.example with every secret drawn anew: `tools/env.sh > .env`, once, before the first
# `docker compose up`. Never again afterwards: the ledger's users keep the passwords they were made with.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

# The secrets are the empty ones of the first part.
secret=1
while IFS= read -r line; do
  [[ $line == "# The agency"* ]] && secret=
  if [[ $secret && $line =~ ^[A-Z_]+=$ ]]; then
    line+=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  fi
  printf '%s\n' "$line"
done <.env.example
