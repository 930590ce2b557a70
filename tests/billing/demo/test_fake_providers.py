"""The fake providers are worth checking a ledger against: independent of us, repeatable, books before wire."""

import ast
import json
from pathlib import Path

import httpx2
import pytest

from spanledger_billing.demo import fake_providers
from spanledger_billing.demo.fake_providers.server import FakeProviders

FOLDER = Path(fake_providers.__file__).parent
CHAT = "http://api.openai.com/v1/chat/completions"
MESSAGES = "http://api.anthropic.com/v1/messages"


def _ask(providers: FakeProviders, url: str, body: dict, behaviour: str = "") -> httpx2.Response:
    headers = {"authorization": "Bearer key", "x-fake-behaviour": behaviour}
    with httpx2.Client(proxy=providers.url, trust_env=False) as client:
        return client.post(url, json=body, headers=headers)


def _books(providers: FakeProviders) -> list[dict]:
    return httpx2.get(f"{providers.url}/books", trust_env=False).json()


@pytest.mark.parametrize("module", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_the_fake_imports_nothing_of_spanledger(module):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith("spanledger")]
        if isinstance(node, ast.ImportFrom):
            # One dot stays inside the fake's own package.
            assert node.level <= 1
            assert not (node.module or "").startswith("spanledger")


def test_the_same_seed_and_calls_give_the_same_figures_and_another_seed_gives_others():
    def figures(seed: int) -> list[dict]:
        with FakeProviders(seed) as providers:
            for _ in range(3):
                _ask(providers, CHAT, {"model": "gpt-5-mini", "messages": []})
            return [entry["units"] for entry in _books(providers)]

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


def test_the_wire_states_what_the_books_say_with_cached_tokens_inside_the_prompt():
    with FakeProviders(3) as providers:
        answer = _ask(providers, CHAT, {"model": "gpt-4o-mini", "messages": []}).json()
        (entry,) = _books(providers)
    usage = answer["usage"]
    assert entry["units"]["input"] + entry["units"].get("cache_read", 0) == usage["prompt_tokens"]
    assert entry["units"]["output"] == usage["completion_tokens"]
    assert (entry["response_id"], entry["model"]) == (answer["id"], answer["model"])
    assert entry["shown"] == entry["units"]
    assert entry["complete"]


def test_a_stream_that_breaks_off_leaves_in_the_books_what_was_used_and_what_was_stated():
    body = {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": "x"}], "stream": True}
    with FakeProviders(3) as providers:
        with pytest.raises(httpx2.RemoteProtocolError):
            _ask(providers, MESSAGES, body, behaviour="cut=4")
        (entry,) = _books(providers)
    assert not entry["complete"]
    assert entry["shown"]["input"] == entry["units"]["input"]
    assert entry["shown"]["output"] < entry["units"]["output"]


def test_a_stream_that_nobody_asked_for_usage_ends_without_having_stated_any():
    with FakeProviders(3) as providers:
        answer = _ask(providers, CHAT, {"model": "gpt-4o-mini", "messages": [], "stream": True})
        (entry,) = _books(providers)
    assert "usage" not in answer.text
    assert entry["complete"]
    assert entry["shown"] is None
    assert entry["units"]["output"] > 0


def test_a_call_that_fails_once_is_refused_once_and_then_answered():
    body = {"model": "gpt-4o-mini", "messages": []}
    with FakeProviders(3) as providers:
        statuses = [_ask(providers, CHAT, body, behaviour="fail=500; once=a").status_code for _ in range(2)]
        outcomes = [entry["outcome"] for entry in _books(providers)]
    assert statuses == [500, 200]
    assert outcomes == ["refused", "answered"]


def test_an_advisor_has_an_entry_of_its_own_and_stands_outside_the_usage_of_the_message():
    tools = [{"type": "advisor_20260301", "name": "advisor"}]
    body = {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": "x"}], "tools": tools}
    with FakeProviders(3) as providers:
        usage = _ask(providers, MESSAGES, body).json()["usage"]
        call, line = _books(providers)
    assert call["units"] == {"input": usage["input_tokens"], "output": usage["output_tokens"]}
    advised = next(turn for turn in usage["iterations"] if turn["type"] == "advisor_message")
    assert line["line"] == "advisor_message"
    assert line["units"] == {"input": advised["input_tokens"], "output": advised["output_tokens"]}
    assert json.dumps(usage).count(str(advised["input_tokens"])) == 1
