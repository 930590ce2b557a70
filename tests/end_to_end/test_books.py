"""The ledger says what the providers' books say, and the app is none the wiser."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from genai_prices import Usage, calc_price

from spanledger_billing.demo import clients
from support import demo_world


def test_the_ledger_equals_the_providers_books_for_every_client_model_and_unit(day):
    assert len(day.books) > 150
    assert day.differences == []


def test_an_app_sees_the_same_answers_metered_and_unmetered(day):
    with demo_world.running_providers(day.seed) as providers:
        unmetered, _ = demo_world.run_agency(providers, "http://127.0.0.1:9", "--unmetered")
    assert day.seen == unmetered


def test_metering_logs_nothing_where_all_is_well(day):
    # That a busy machine's disk stalls is not well, and is said; the other claims hold all the same.
    stalls = "the outbox cannot be used"
    ours = [line for line in day.logged.splitlines() if "spanledger" in line and stalls not in line]
    assert ours == []


def test_every_client_of_the_agency_used_something_and_so_did_nobody(day, running):
    found = running.rows("SELECT DISTINCT client_id FROM calls WHERE bills")
    assert {client_id for (client_id,) in found} == {"", *(client.client_id for client in clients.CLIENTS)}


def test_a_response_watched_from_another_process_is_one_call_of_the_client_who_asked_for_it(day, running):
    spans = running.rows(
        "SELECT billing_key, claimed_client_id FROM llm_calls FINAL WHERE startsWith(response_id, 'resp_') AND billing_key != ''"
    )
    calls = running.rows("SELECT client_id, incomplete_reason, bills FROM calls WHERE billing_key != ''")
    assert len(spans) > 2
    assert {client_id for _, client_id in spans} == {"cobalt-legal", ""}
    assert len({billing_key for billing_key, _ in spans}) == 1
    assert calls == [("cobalt-legal", "", True)]


def test_what_no_price_is_known_for_has_a_reason_and_no_cost_and_all_else_has_a_cost(day, running):
    unpriced = running.rows(
        "SELECT DISTINCT model FROM calls WHERE unpriced_reason != '' AND cost_usd IS NULL ORDER BY model"
    )
    assert unpriced == [("gpt-preview-unlisted",), ("kestrel-7b",)]
    assert (
        running.rows(
            "SELECT model, units FROM calls"
            " WHERE bills AND cost_usd IS NULL AND unpriced_reason = '' AND incomplete_reason = ''"
        )
        == []
    )


def test_every_cost_is_what_the_price_list_itself_makes_of_the_books(day, running):
    """The list's own calculator on the books' figures, against the ledger's arithmetic in SQL."""
    expected = {
        entry["response_id"] + entry["line"]: _listed_price(entry)
        for entry in day.books
        if entry["response_id"] and entry["outcome"] == "answered" and entry["complete"] and entry["shown"]
        if entry["model"] not in {"gpt-preview-unlisted", "kestrel-7b"}
    }
    ids = ", ".join(f"'{entry['response_id']}'" for entry in day.books if entry["response_id"])
    found = running.rows(
        "SELECT concat(response_id, line), cost_usd FROM calls"
        f" WHERE bills AND cost_usd IS NOT NULL AND incomplete_reason = '' AND response_id IN ({ids})"
    )
    assert len(found) > 100
    assert dict(found) == expected


def _listed_price(entry: dict[str, Any]) -> Decimal:
    units = Counter(entry["shown"])
    written = units["cache_write_5m"] + units["cache_write_1h"]
    usage = Usage(
        input_tokens=units["input"] + units["cache_read"] + written + units["audio_input"],
        cache_read_tokens=units["cache_read"],
        cache_write_tokens=written,
        cache_write_1h_tokens=units["cache_write_1h"],
        input_audio_tokens=units["audio_input"],
        output_tokens=units["output"] + units["reasoning"] + units["image_output"],
        output_image_tokens=units["image_output"],
        web_searches=units["web_search"],
    )
    provider = entry["provider"]
    return calc_price(usage, entry["model"], provider_id=provider).total_price


def test_two_processes_that_seed_random_alike_lose_no_call(running):
    began = datetime.now(UTC)
    with demo_world.running_providers(seed=12) as providers:
        apps = [
            demo_world.start_small_app(providers, running.endpoint, client_id, calls=20)
            for client_id in ("alder-dental", "fjord-shipping")
        ]
        for app in apps:
            demo_world.finish(app)
        books = providers.books()
    assert len(books) == 40
    assert running.differences(books, began) == []
