#!/usr/bin/env bash
# Builds .build/render-alerts/render of the sources beside this file, unless it was built from these very sources.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=$root/.build/render-alerts
. "$root/collector/find_go.sh"

sources=$(cat "$here/main.go" "$here/go.mod" "$here/go.sum" | sha256sum)
[ -x "$out/render" ] && [ "$(cat "$out/sources" 2>/dev/null)" = "$sources" ] && exit 0
go=$(find_go) || {
  echo "Go from 1.26 on is needed and could not be fetched; install it, then run this again" >&2
  exit 1
}
mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$here"
env GOFLAGS="-mod=readonly -trimpath -buildvcs=false" GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 \
  "$go" build -o "$work/render" .
mv -f "$work/render" "$out/render"
echo "$sources" >"$out/sources"
