#!/usr/bin/env bash
# Builds the collector of builder.yaml into .build/collector, unless what lies there was built from this very
# manifest. Safe to run twice at once: a run works in a folder of its own and puts the binary in place last.
#
#   bash collector/build.sh      go from 1.26 on where the machine has it, else the wheel pinned in go.lock
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
manifest=$root/collector/builder.yaml
out=$root/.build/collector
binary=$out/otelcol-spanledger
builder=go.opentelemetry.io/collector/cmd/builder@v0.161.0

say() { printf 'collector: %s\n' "$*"; }
fail() {
  printf 'collector: %s\n' "$*" >&2
  exit 1
}
is_built() { [ -x "$binary" ] && cmp -s "$manifest" "$out/builder.yaml"; }

is_built && exit 0
mkdir -p "$out"
# Where there is a flock command, a second run waits for the first and then finds its work done.
exec 9>"$out/.lock"
if command -v flock >/dev/null; then
  flock -n 9 || { say "another run is building; waiting for it" && flock 9; }
  is_built && exit 0
fi

# shellcheck source=collector/find_go.sh
. "$root/collector/find_go.sh"

# Prints a line now and then while a command that says nothing runs; its output only when it fails.
patiently() { # WHAT LOG COMMAND...
  local what=$1 log=$2 pid began=$SECONDS
  shift 2
  say "$what"
  "$@" >"$log" 2>&1 9>&- &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    (((SECONDS - began) % 15)) || say "$what: $((SECONDS - began)) s"
  done
  wait "$pid" || {
    tail -n 40 "$log" >&2
    return 1
  }
}

go=$(find_go) || fail "Go from 1.26 on is needed and could not be fetched; install it, then run this again"
say "building with $("$go" env GOVERSION)"

work=$(mktemp -d "$out/work.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
# -buildvcs: the sources are generated inside this repository, but are no part of it.
export GOFLAGS="-buildvcs=false -trimpath" GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0
PATH=$(dirname "$go"):$PATH
export PATH

patiently "fetching the collector builder" "$work/install.log" \
  env GOBIN="$work/bin" "$go" install "$builder" || fail "the builder could not be installed; see above"
cd "$work"
patiently "compiling the collector (some minutes the first time)" "$work/build.log" \
  "$work/bin/builder" --config "$manifest" || fail "the collector could not be built; see above"
"$work/built/otelcol-spanledger" components >/dev/null || fail "what was built does not run"

# The old manifest goes first and the new one comes last: cut short in between, the next run builds again.
rm -f "$out/builder.yaml"
mv -f "$work/built/otelcol-spanledger" "$binary"
cp "$manifest" "$out/builder.yaml.new"
mv -f "$out/builder.yaml.new" "$out/builder.yaml"
say "built .build/collector/otelcol-spanledger"
