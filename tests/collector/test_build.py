"""`make collector`: builds once, again when the manifest changes, and never leaves half a binary."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spanledger_billing import resources

GO = """#!/bin/sh
# Plays the Go toolchain, whose work takes minutes.
echo "$*" >> "$CALLS"
case "$1" in
  env) echo "$GO_VERSION" ;;
  install)
    mkdir -p "$GOBIN"
    cat > "$GOBIN/builder" <<'BUILDER'
#!/bin/sh
echo "builder" >> "$CALLS"
test -z "$BROKEN" || { echo "no module by that name"; exit 1; }
mkdir -p built
{ echo "#!/bin/sh"; echo "# $(sha256sum "$2")"; } > built/otelcol-spanledger
chmod +x built/otelcol-spanledger
BUILDER
    chmod +x "$GOBIN/builder" ;;
esac
"""


class Checkout:
    """A repository with nothing but the collector's folder, and a toolchain that is played."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "collector" / "builder.yaml"
        self.binary = folder / ".build" / "collector" / "otelcol-spanledger"
        self._calls = folder / "calls"
        self._calls.touch()
        shutil.copytree(resources.folder("collector"), folder / "collector")
        (folder / "bin").mkdir()
        go = folder / "bin" / "go"
        go.write_text(GO)
        go.chmod(0o700)

    def build(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "collector/build.sh"],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "CALLS": str(self._calls),
                "GO_VERSION": "go1.26.0",
                "BROKEN": "",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def builds(self) -> int:
        return self._calls.read_text().splitlines().count("builder")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_builds_once_and_then_does_and_says_nothing(checkout: Checkout) -> None:
    first = checkout.build()
    assert first.returncode == 0, first.stderr
    assert "compiling the collector" in first.stdout
    assert os.access(checkout.binary, os.X_OK)
    second = checkout.build()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout.builds == 1


def test_what_is_there_needs_no_toolchain_at_all(checkout: Checkout) -> None:
    assert checkout.build().returncode == 0
    (checkout.folder / "bin" / "go").unlink()
    assert checkout.build(PATH="/usr/bin:/bin").returncode == 0


def test_a_changed_manifest_is_built_again(checkout: Checkout) -> None:
    assert checkout.build().returncode == 0
    built = checkout.binary.read_text()
    checkout.manifest.write_text(checkout.manifest.read_text() + "# changed\n")
    assert checkout.build().returncode == 0
    assert checkout.builds == 2
    assert checkout.binary.read_text() != built


def test_a_build_that_fails_shows_why_and_leaves_the_old_binary_in_place(checkout: Checkout) -> None:
    assert checkout.build().returncode == 0
    built = checkout.binary.read_text()
    checkout.manifest.write_text("broken\n")
    failed = checkout.build(BROKEN="1")
    assert failed.returncode == 1
    assert "no module by that name" in failed.stderr
    assert checkout.binary.read_text() == built
    # And what is in place does not pass for what was asked for.
    assert checkout.build(BROKEN="1").returncode == 1
    left = {path.name for path in checkout.binary.parent.iterdir()}
    assert left == {"otelcol-spanledger", "builder.yaml", ".lock"}


def test_two_at_once_build_once(checkout: Checkout) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _number: checkout.build(), range(2)))
    assert [one.returncode for one in done] == [0, 0]
    assert checkout.builds == 1


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [("go1.26.0", True), ("go1.27rc1", True), ("go2.0", True), ("go1.25.9", False), ("go1.9.7", False)],
)
def test_a_go_that_is_too_old_is_not_used(checkout: Checkout, version: str, is_enough: bool) -> None:
    """Instead the wheel is fetched; here there is no pip to fetch it with."""
    done = checkout.build(GO_VERSION=version, PYTHON="/bin/false")
    assert (done.returncode == 0) is is_enough
    assert ("building with" in done.stdout) is is_enough
    assert ("Go from 1.26 on is needed" in done.stderr) is not is_enough


def test_no_file_names_the_address_of_a_registry() -> None:
    """The clients know theirs, and a mirror serves as well."""
    for name in ("build.sh", "builder.yaml", "go.lock"):
        text = (resources.folder("collector") / name).read_text()
        assert "://" not in text, name
