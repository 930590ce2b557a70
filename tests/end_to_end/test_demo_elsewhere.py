"""`spanledger demo --to URL`: the agency's calls in a pipeline that runs already."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger_billing import ledger, up
from spanledger_billing.senders import applying, reading
from spanledger_billing.senders.model import stamp
from support.stack import DataFolder

LONGEST_DEMO_S = 400
TOKEN = "token-of-the-agency-17"
_OTHER_SETTINGS = {name: value for name, value in os.environ.items() if not name.startswith("SPANLEDGER_")}


def demo(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spanledger_billing.cli", "demo", "--rounds", "1", *options],
        env={**_OTHER_SETTINGS, "COLUMNS": "200", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_DEMO_S,
        check=False,
    )


def demo_to(stack: up.Stack, folder: Path, *, ledger_in: Path) -> subprocess.CompletedProcess[str]:
    """By a sender that its collector lets in."""
    return demo(
        "--to",
        stack.otlp_http_url,
        "--data",
        str(folder),
        SPANLEDGER_TOKEN=TOKEN,
        SPANLEDGER_DATA=str(ledger_in),
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, data_folder: DataFolder):
    with up.start(data_folder(tmp_path_factory.mktemp("elsewhere")), token=TOKEN) as started:
        yield started


def test_the_ledger_behind_the_collector_is_compared_and_has_prices_and_terms_afterwards(
    guarded: up.Stack, tmp_path: Path
):
    done = demo_to(guarded, tmp_path, ledger_in=guarded.data)

    assert done.returncode == 0, done.stdout
    assert re.search(
        r"^ledger equals the providers' books: \d+ calls, .* 0 differences$", done.stdout, re.MULTILINE
    )
    assert "the ledger had no prices: the demo's are in force now" in done.stdout
    with ledger.connect(guarded.data) as connection:
        clients = dict(
            connection.query(
                "SELECT client_id, countIf(client_state = 'known') FROM calls WHERE bills GROUP BY client_id"
            ).result_rows
        )
        (terms,) = connection.query("SELECT uniqExact(client_id) FROM current_terms").result_rows[0]
    assert clients["alder-dental"] > 0
    assert clients["juniper-travel"] == 0, "it has no terms"
    assert terms == 9
    # Nothing waits, and nothing went into the outbox of whoever runs it.
    assert [path for path in (tmp_path / "outbox").rglob("*.segment") if path.stat().st_size] == []


def test_where_the_ledger_cannot_be_read_the_collector_taking_every_span_is_all_that_is_said(
    guarded: up.Stack, tmp_path: Path
):
    done = demo_to(guarded, tmp_path, ledger_in=tmp_path / "none")

    assert done.returncode == 0, done.stdout
    assert "the collector took every span; not compared: nothing runs on the data folder" in done.stdout


def test_with_a_wrong_token_no_call_is_made(guarded: up.Stack, tmp_path: Path):
    done = demo("--to", guarded.otlp_http_url, "--data", str(tmp_path), SPANLEDGER_TOKEN="wrong")

    assert done.returncode == 3
    assert "check SPANLEDGER_TOKEN" in done.stdout
    assert not (tmp_path / "log" / "agency.log").exists()


def test_a_sender_that_may_not_bill_the_demos_clients_is_named_as_the_reason(
    guarded: up.Stack, tmp_path: Path
):
    content = f"senders: [{{name: agency, token_hash: {stamp(TOKEN)}, clients: [alder-dental]}}]".encode()
    with ledger.connect(guarded.data) as connection:
        applying.carry_out(connection, applying.plan(connection, reading.read(content), content))
        try:
            done = demo_to(guarded, tmp_path, ledger_in=guarded.data)
        finally:
            applying.lift(connection)

    assert done.returncode == 1, done.stdout
    assert (
        "the ledger bills nobody for calls that came with this SPANLEDGER_TOKEN: sender may not bill this client; "
        "spanledger senders list shows who may bill whom\n"
    ) in done.stdout


@pytest.mark.parametrize(
    "url",
    ["collector:4318", "ftp://collector", "http://", "http://user:secret@collector:4318", "http://[::1"],
)
def test_what_is_no_collectors_address_is_refused_and_not_repeated(url: str):
    done = demo("--to", url)

    assert done.returncode == 2
    assert "--to is not the address of a collector; allowed: http://host:4318" in done.stdout
    assert "secret" not in done.stdout
