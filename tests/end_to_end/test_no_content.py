"""What was said, and with which keys, stands nowhere: not in a span, a table, a log, nor the queue's files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spanledger_billing.demo import desk
from spanledger_billing.demo.fake_providers import exchange
from support import demo_world
from support.files import contents

SECRETS = {
    "prompt": "cartographer-of-the-prompt",
    "system prompt": "agency-of-the-system-prompt",
    "answer": exchange.ANSWER_TEXT,
    "word of an answer": "marmalade",
    "tool argument": exchange.TOOL_ARGUMENTS["city"],
    "tool result": desk.TOOL_RESULT,
    "header": desk.SECRET_HEADER[1],
    "key": "sk-demo-key-of-",
    "parameter of a URL": "key=sk-",
}


APPS_CLIENTS = ("alder-dental", "fjord-shipping")
"""Whose work uses all three providers, and a key in a URL."""


@pytest.fixture(scope="module")
def seen(fragile) -> dict[str, bytes]:
    """Everything that is kept, by place, at two moments: all in the queue, and all in the ledger.

    Tables are read and searched here: a search by the database would itself stand in its log.
    """
    began = datetime.now(UTC)
    only = [option for client_id in APPS_CLIENTS for option in ("--only", client_id)]
    with demo_world.running_providers(seed=17) as providers:
        fragile.stack.endpoint.kill9()
        try:
            answers, logged = demo_world.run_agency(providers, fragile.endpoint, *only)
            found = {f"waiting: {place}": content for place, content in _files(fragile.folder)}
        finally:
            fragile.stack.endpoint.restart()
        assert fragile.differences(providers.books(), began) == []
    found |= dict(_files(fragile.folder))
    tables = fragile.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    for (name,) in tables:
        found[f"table {name}"] = fragile.ledger.raw_query(f"SELECT * FROM `{name}` FORMAT JSONEachRow")
    found["the app's log"] = logged.encode()
    # What the app itself printed, so that the searches can be seen to find something.
    return found | {"the app": json.dumps(answers).encode()}


def _files(folder: Path) -> list[tuple[str, bytes]]:
    return [(str(path.relative_to(folder)), content) for path, content in contents(folder)]


@pytest.mark.parametrize("what", SECRETS)
def test_no_table_no_log_and_no_file_of_the_queue_holds_the(what, seen):
    secret = SECRETS[what].encode()
    assert [place for place, content in seen.items() if secret in content and place != "the app"] == []


def test_the_search_would_find_what_an_app_a_table_or_a_waiting_queue_holds(seen):
    assert SECRETS["answer"].encode() in seen["the app"]
    assert b"alder-dental" in seen["table otel_traces"]
    assert b"alder-dental" in seen["table llm_calls"]
    waiting = [content for place, content in seen.items() if place.startswith("waiting: queue/")]
    assert b"alder-dental" in b"".join(waiting)
    assert seen["log/collector.log"]
