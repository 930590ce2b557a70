"""Every attribute that an app can write is read by the ledger, and the ledger reads no other."""

from __future__ import annotations

import re
from dataclasses import fields

from spanledger import names
from spanledger.wire.reading import Usage
from spanledger_billing import resources

VIEW = (resources.folder("schema") / "migrations" / "0004_call_arrivals_mv.sql").read_text(encoding="utf-8")

NOT_READ = {
    names.REQUEST_STREAM,
    names.SERVER_PORT,
    names.FINISH_REASONS,
    names.TIME_TO_FIRST_CHUNK,
    names.PROVIDER_REQUEST_ID,
}
"""Kept in otel_traces for support; nothing is reckoned from them."""


def single_names() -> dict[str, str]:
    return {
        constant: value
        for constant, value in vars(names).items()
        if constant.isupper()
        and isinstance(value, str)
        and not constant.endswith("_PREFIX")
        and constant != "SCOPE"
    }


def listed(name: str) -> list[str]:
    """A list that the view names, as it stands there."""
    text = re.search(rf"\[([^\]]*)\] AS {name}", VIEW)
    assert text is not None
    return re.findall(r"'([^']+)'", text[1])


def test_every_quantity_of_the_vocabulary_is_read_under_its_name() -> None:
    assert dict(zip(listed("quantity_names"), listed("quantity_attributes"), strict=True)) == names.USAGE


def test_every_quantity_that_a_parser_can_state_has_an_attribute() -> None:
    quantities = {each.name for each in fields(Usage)} - {"server_tools", "provider_cost_usd"}
    assert quantities == names.USAGE.keys()


def test_every_other_name_of_the_vocabulary_is_read_or_known_not_to_be() -> None:
    read = set(re.findall(r"a\['([^']+)'\]", VIEW))
    assert read == set(single_names().values()) - NOT_READ


def test_the_prefixes_and_the_scope_are_those_of_the_vocabulary() -> None:
    assert f"startsWith(k, '{names.SERVER_TOOL_PREFIX}')" in VIEW
    assert f"substring(k, {len(names.SERVER_TOOL_PREFIX) + 1}, 64)" in VIEW
    assert f"startsWith(k, '{names.LABEL_PREFIX}')" in VIEW
    assert f"substring(k, {len(names.LABEL_PREFIX) + 1}, 64)" in VIEW
    assert f"WHERE ScopeName = '{names.SCOPE}'" in VIEW


def test_every_word_for_billable_is_understood() -> None:
    words = re.search(r"said_billable IN \(([^)]*)\)", VIEW)
    assert words is not None
    from typing import get_args

    from spanledger.wire.reading import Billable

    assert set(re.findall(r"'([^']+)'", words[1])) == set(get_args(Billable))
