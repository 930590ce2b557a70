"""What a person reads in Slack, whoever chose the names in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.grafana_rules import Alert, rules
from support.slack_messages import GRAFANA, RUNBOOK, Message, message

RULES = rules()
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
HOSTILE = {
    "a mention": "<!channel>",
    "a mention of one": "<@U012AB3CD>",
    "a link": "<https://evil.example|your invoice>",
    "formats": "*bold* _slanted_ ~struck~ `code` ```block```",
    "quotes": 'O\'Brien "and" sons',
    "an entity": "&lt;!here&gt; &amp;",
    "new lines": "acme\n• `cobalt`: 0.00 USD\r\n\u2028> quoted",
    "emoji": "🦊 fox & sons 👩‍💻",
    "right to left": "\u202eevil\u202c חברה عربي",
    "a pipe": "a|b",
    "a template": '{{ template "spanledger.plain" . }} {{ $labels.client }} ${SLACK_WEBHOOK_URL}',
    "control signs": "a\x00\x07\x1b[31mb\u200b\ufeff",
    "marks in a heap": "Z" + "\u0336\u0301\u0342" * 30,
    "nothing to be seen": "\u200b \u2060\t",
    "much": "x" * 5000,
}


def budget(client_id: str, name: str = "", *, at: datetime = NOON, status: str = "firing") -> Alert:
    """A client that has used 800 of 1,000 USD."""
    labels = {
        "alertname": "Budget threshold reached",
        "client_id": client_id,
        "subject": f"{name} ({client_id})" if name else client_id,
        "month": "2026-10",
        "threshold": "80",
        "budget": "1000",
        "currency": "USD",
        "decimals": "2",
        "basis": "charge",
    }
    values = {"higher": 0.0, "spent": 800.0, "runs_out": 1792195200.0}
    ended = at if status == "resolved" else None
    return Alert(labels, RULES["budget-reached"]["annotations"], values, at, status, ended)


def unpriced(provider: str, model: str, reason: str) -> Alert:
    labels = {"alertname": "Unpriced model", "subject": f"{provider} {model}", "provider": provider}
    labels |= {"model": model, "reason": reason}
    values = {"calls": 3.0, "clients": 2.0, "first_day": 1792022400.0}
    return Alert(labels, RULES["unpriced-model"]["annotations"], values, NOON, "firing")


def assert_harmless(sent: Message, lines: int) -> None:
    """Nothing in it but what we wrote is a line, a link, a mention, a format or an order of reading."""
    assert len(sent.text.split("\n")) == lines
    assert "\n" not in sent.title
    for place in re.findall(r"<([^>|]*)", sent.text):
        assert place.startswith((GRAFANA, RUNBOOK)), place
    assert sent.text.count("<") == sent.text.count(">")
    assert "<" not in sent.title
    assert ">" not in sent.title
    plain = re.sub(r"<[^>]*>|`[^`\n]*`", "", sent.text)
    for text in (plain, sent.title):
        assert not re.search(r"[*~`]", text), text
        assert not re.search(r"(?<![^\W_])_\w|\w_(?![^\W_])", text), text
    everything = sent.title + sent.text
    assert not re.search(
        r"[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2067]", everything
    )
    assert everything.count("\u2068") == everything.count("\u2069")


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_clients_name_cannot_make_anything_of_a_message(name: str) -> None:
    sent = message([budget(name), budget("acme", name)])
    assert_harmless(sent, lines=4)
    assert sent.text.count(": 800.00 of 1,000 USD of the budget on charge are used in 2026-10.") == 2


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_models_name_cannot_either(name: str) -> None:
    assert_harmless(message([unpriced("openai", name, f"model unknown: {name}")]), lines=3)


@given(st.text(min_size=1))
@settings(max_examples=40, deadline=None)
def test_no_name_can(name: str) -> None:
    one = budget(name)
    assert_harmless(
        message([one, replace(one, status="resolved", ended=NOON), unpriced(name, name, name)]), lines=5
    )


def test_a_name_stays_readable() -> None:
    def shown(name: str) -> str:
        return message([budget(name)]).lines[0].partition(" (80 %)")[0]

    assert shown("elm_street-bakery") == "• `elm_street-bakery`"
    assert shown("Müller & Söhne <Köln>") == "• `Müller &amp; Söhne &lt;Köln&gt;`"
    assert shown("🦊 *fox*") == "• `🦊 *fox*`"
    assert shown("a\nb") == "• `a b`"
    assert shown("חברה") == "• `\u2068חברה\u2069`"
    assert shown("\u200b") == "• `(nothing to be seen)`"
    assert (
        message([budget("*fox* elm_street")]).title
        == "Budget threshold reached: \u2217fox\u2217 elm_street (80 %)"
    )


@pytest.mark.parametrize(
    ("amount", "decimals", "shown"),
    [
        (0.0, "2", "0.00"),
        (999.994, "2", "999.99"),
        (1234.5, "2", "1,234.50"),
        (-1234567.891, "3", "-1,234,567.891"),
        (12345678901.0, "0", "12,345,678,901"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency_and_commas(
    amount: float, decimals: str, shown: str
) -> None:
    one = budget("acme")
    one = replace(
        one,
        labels=one.labels | {"decimals": decimals, "budget": "1500000.5"},
        values=one.values | {"spent": amount},
    )
    assert f": {shown} of 1,500,000.5 USD of the budget" in message([one]).lines[0]


@pytest.mark.parametrize("name", [name for name in HOSTILE.values() if len(name) < 200])
def test_the_link_to_the_dashboard_names_the_client_exactly(name: str) -> None:
    (link,) = re.findall(r"<([^>|]*)\|Dashboard>", message([budget(name)]).text)
    address = urlsplit(link.replace("&amp;", "&"))
    assert address.path == "/d/spanledger-client"
    assert parse_qs(address.query) == {"var-client": [name], "var-month": ["2026-10"]}


def test_forty_clients_at_once_make_one_message_that_can_be_read() -> None:
    sent = message([budget(f"client-{number:02}") for number in range(40)])
    assert sent.title == (
        "Budget threshold reached: client-00 (80 %), client-01 (80 %), client-02 (80 %) and 37 more"
    )
    named = [line.partition(" (")[0] for line in sent.lines[:10]]
    assert named == [f"• `client-{number:02}`" for number in range(10)]
    assert sent.lines[10] == "and 30 more, see <https://grafana.example/alerting/list|all alerts>"
    assert len(sent.text) < 5000


def test_the_forty_first_makes_one_that_only_names_the_others() -> None:
    earlier = [budget(f"client-{number:02}") for number in range(40)]
    sent = message([*earlier, budget("late", at=NOON + timedelta(minutes=10))])
    assert sent.lines[0].startswith("• `late` (80 %): ")
    assert sent.lines[1].startswith("As before: `client-00` (80 %), `client-01` (80 %)")
    assert sent.lines[1].endswith(", `client-19` (80 %) and 20 more")


def test_a_resolved_client_is_named_beside_those_that_are_not() -> None:
    over = replace(budget("cobalt"), status="resolved", ended=NOON + timedelta(hours=1))
    sent = message([budget("acme"), over])
    assert sent.title == "Budget threshold reached: acme (80 %)"
    assert sent.lines[:2] == ["As before: `acme` (80 %)", "Resolved: `cobalt` (80 %)"]


def test_what_grafana_has_not_asked_again_since_its_restart_is_named_without_its_templates() -> None:
    one = budget("acme")
    raw = {name: f"{{{{ {text}" for name, text in one.annotations.items()}
    # As literal text: the renderer expands annotations, which Grafana has not done here.
    alert = replace(
        one, annotations={name: "{{ `" + text.replace("`", "") + "` }}" for name, text in raw.items()}
    )
    sent = message([alert, replace(alert, status="resolved", ended=NOON)])
    assert sent.title == "Budget threshold reached: acme"
    assert sent.lines[0].startswith("• `acme`: ")
    assert sent.lines[1] == "Resolved: `acme`"
    assert "{{" not in sent.title + sent.text


def test_a_ledger_that_does_not_answer_is_told_as_that() -> None:
    """Grafana makes this alert by itself, with annotations that lack every label and number."""
    labels = {"alertname": "DatasourceError", "rulename": "Pipeline stalled", "datasource_uid": "clickhouse"}
    annotations = {
        "facts": "[none]",
        "runbook_url": RULES["pipeline-stalled"]["annotations"]["runbook_url"],
        "Error": "dial tcp 127.0.0.1:8123: connect: connection refused <!here>",
    }
    sent = message([Alert(labels, annotations, {}, NOON, "firing")])
    assert sent.title == "The ledger does not answer: Pipeline stalled"
    assert sent.lines[0].startswith(
        "• `Pipeline stalled`: no rule can be evaluated until it does. dial tcp 127.0.0.1:8123: connect: connection refused &lt;!here&gt;"
    )
    assert sent.lines[-1] == f"<{RUNBOOK}#pipeline-stalled|What to do>"
    assert "[none]" not in sent.text


@pytest.mark.parametrize("uid", RULES)
def test_where_there_is_neither_row_nor_number_no_template_fails(uid: str) -> None:
    """Grafana logs a template that does, and sends it as it stands."""
    alert = Alert({"alertname": RULES[uid]["title"]}, RULES[uid]["annotations"], {}, NOON, "firing")
    annotations = message([alert], whole=False).annotations[0]
    assert "?" in annotations["facts"]
    assert not any("{{" in text for text in annotations.values())
