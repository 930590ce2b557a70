"""Baggage chooses the client only where it is trusted, and never travels to a provider."""

from collections.abc import Iterator

import pytest
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from spanledger.context import Attribution, baggage_free, bill_to, current, set_default, trust_baggage
from support.counting import Counting


@pytest.fixture
def victims_baggage() -> Iterator[None]:
    """The context of a request that names a client, as a caller sends it."""
    carrier = {"baggage": "spanledger.client_id=victim%20ltd,spanledger.project=bot,other=1"}
    token = context.attach(W3CBaggagePropagator().extract(carrier))
    yield
    context.detach(token)


@pytest.fixture
def trusted() -> Iterator[None]:
    trust_baggage(True)
    yield
    trust_baggage(False)


@pytest.mark.usefixtures("victims_baggage")
def test_a_caller_cannot_choose_who_pays_unless_baggage_is_trusted():
    assert current() == Attribution()


@pytest.mark.usefixtures("victims_baggage", "trusted")
def test_trusted_baggage_names_client_and_project():
    assert current() == Attribution("victim ltd", "bot")


@pytest.mark.usefixtures("victims_baggage", "trusted")
def test_trusted_baggage_goes_before_the_default_and_behind_bill_to():
    set_default("agency")
    try:
        assert current().client_id == "victim ltd"
        with bill_to("acme"):
            assert current() == Attribution("acme")
    finally:
        set_default(None)


@pytest.mark.usefixtures("trusted")
def test_baggage_that_names_no_client_says_nothing():
    token = context.attach(baggage.set_baggage("spanledger.project", "bot"))
    set_default("agency")
    try:
        assert current() == Attribution("agency")
    finally:
        set_default(None)
        context.detach(token)


@pytest.mark.usefixtures("trusted")
def test_a_client_in_baggage_is_held_to_what_is_allowed():
    token = context.attach(baggage.set_baggage("spanledger.client_id", "x" * 129))
    try:
        with Counting() as counted:
            assert current() == Attribution()
    finally:
        context.detach(token)
    assert counted.kinds == {"client_id_refused": 1}


@pytest.mark.usefixtures("victims_baggage")
def test_a_baggage_free_context_injects_no_baggage_and_keeps_everything_else():
    outside = context.set_value("theirs", 1)
    free = baggage_free(outside)
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier, free)
    assert carrier == {}
    assert free["theirs"] == 1
    W3CBaggagePropagator().inject(carrier, context.get_current())
    assert "victim" in carrier["baggage"]


def test_a_context_without_baggage_is_passed_as_it_is():
    current_context = context.get_current()
    assert baggage_free() is current_context
