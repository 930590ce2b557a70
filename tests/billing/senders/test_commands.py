"""`spanledger senders`, as an operator sees it: a file is applied whole or refused whole, and no token is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spanledger_billing.cli import app
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.senders import reading
from spanledger_billing.senders.model import stamp

SECRET = "s3cret-token-of-the-web-app"
EXAMPLE = Path("schema/senders.example.yaml")


def run(*arguments: Any, text: str | None = None) -> Any:
    done = CliRunner().invoke(app, ["senders", *map(str, arguments)], input=text)
    assert SECRET not in done.output
    return done


def file_of(folder: Path, content: str) -> Path:
    path = folder / "senders.yaml"
    path.write_text(content)
    return path


@pytest.mark.usefixtures("ledger")
def test_a_file_is_shown_applied_once_and_listed(tmp_path: Path) -> None:
    (tmp_path / "jobs-token").write_text(f"{SECRET}\n")
    path = file_of(
        tmp_path,
        f"senders:\n  - {{name: web, token_hash: {stamp('other')}, clients: [acme, cobalt]}}\n"
        "  - {name: jobs, token_file: jobs-token, clients: all}\n",
    )
    difference = (
        "+ sender jobs may bill all clients\n"
        "+ sender web may bill acme, cobalt\n"
        "! calls that arrive without one of these tokens will bill nobody\n"
        "! under no terms: acme, cobalt\n"
    )
    assert run("apply", path, "--dry-run").stdout == f"{difference}Nothing was changed: this was a dry run.\n"
    assert "No senders are applied" in run("list").stderr
    assert run("apply", path).stdout == f"{difference}Applied as version 1.\n"
    assert run("apply", path).stdout.endswith("Nothing changed.\n")
    listed = json.loads(run("list", "--format", "json").stdout)
    assert listed == {
        "version": 1,
        "checked": True,
        "senders": [
            {"name": "jobs", "token_hash": stamp(SECRET), "clients": "all"},
            {"name": "web", "token_hash": stamp("other"), "clients": ["acme", "cobalt"]},
        ],
    }
    assert "web" in run("list").stdout
    path.write_text(f"senders: [{{name: web, token_hash: {stamp(SECRET)}, clients: [acme, dune]}}]")
    assert run("apply", path).stdout == (
        "- sender jobs, who could bill all clients\n"
        "~ sender web shows another token\n"
        "- sender web may no longer bill cobalt\n"
        "+ sender web may bill dune too\n"
        "! under no terms: acme, dune\n"
        "Applied as version 2.\n"
    )
    assert run("lift").stdout == "Lifted as version 3: whoever can send may bill anybody.\n"
    again = run("lift")
    assert (again.exit_code, "no senders are applied" in again.stderr) == (4, True)


def test_a_hash_is_that_of_the_header_and_stands_for_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{SECRET}\n")
    assert run("hash", token).stdout == f"{stamp(SECRET)}\n"
    assert run("hash", "-", text=SECRET).stdout == f"{stamp(SECRET)}\n"
    for content in ("", "two\nlines\n", f"Bearer {SECRET}", "ünsichtbar"):
        token.write_text(content)
        assert run("hash", token).exit_code == 2
    missing = run("hash", tmp_path / "no such file")
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (2, True)


def test_the_example_is_what_is_allowed() -> None:
    web, jobs = sorted(reading.read(EXAMPLE.read_bytes()), key=lambda one: one.name, reverse=True)
    assert (web.clients, jobs.clients) == (("acme", "cobalt-legal"), None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "the file is empty"),
        ("senders: []", "senders has 0 items; allowed: a list of 1 to 1000"),
        ("senders: {a: b}", "senders is no list"),
        (f"senders: [{{name: web, token_hash: {SECRET}, clients: all}}]", "token_hash is no hash"),
        (f"senders: [{{name: web, token: {SECRET}, clients: all}}]", "'token' is no key of a sender"),
        ("senders: [{name: web, clients: all}]", "a sender has no token"),
        (
            f"senders: [{{name: web, token_hash: {stamp('a')}, token_file: b, clients: all}}]",
            "a sender has both token_hash and token_file",
        ),
        ("senders: [{name: web, token_file: missing, clients: all}]", "missing cannot be read"),
        (f"senders: [{{name: web, token_hash: {stamp('a')}}}]", "a sender has no clients"),
        (f"senders: [{{name: web, token_hash: {stamp('a')}, clients: []}}]", "clients has 0 items"),
        (
            f"senders: [{{name: web, token_hash: {stamp('a')}, clients: acme}}]",
            "clients is 'acme'; allowed: a list of client ids, or all; next: write clients: [acme]",
        ),
        (
            f'senders: [{{name: web, token_hash: {stamp("a")}, clients: ["a\\u202Eb"]}}]',
            "a client holds U+202E",
        ),
        (
            (
                f"senders:\n- {{name: web, token_hash: {stamp('a')}, clients: all}}\n"
                f"- {{name: web, token_hash: {stamp('b')}, clients: all}}"
            ),
            "senders.yaml:3: sender 'web' stands in line 2 too",
        ),
        (
            (
                f"senders:\n- {{name: web, token_hash: {stamp('a')}, clients: all}}\n"
                f"- {{name: app, token_hash: {stamp('a')}, clients: [acme]}}"
            ),
            "senders.yaml:3: the sender of line 2 shows the same token",
        ),
    ],
)
def test_a_file_that_is_not_what_is_allowed_is_refused_by_its_line(
    tmp_path: Path, content: str, says: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        reading.read(content.encode(), "senders.yaml", tmp_path)
    assert says in str(refused.value)
    assert SECRET not in str(refused.value)
