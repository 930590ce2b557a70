"""A billing span is encoded as OpenTelemetry's own encoder encodes it, whatever is in it."""

import os
import random
import subprocess
import sys

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from spanledger import names
from spanledger.capture.encoding import encoder
from spanledger.capture.meter import Meter, activate
from spanledger.capture.tracing import Finished, Recurring, ids, our_resource, our_scope, readable
from spanledger.delivery.otlp import join
from spanledger.testing import recorded_calls
from support.counting import Counting

REMOTE = SpanContext(
    0xA1 << 120, 0xB2, is_remote=True, trace_state=TraceState([("k", "v")]), trace_flags=TraceFlags(1)
)


def span(name="chat gpt-4o", failed=False, **more):
    trace_id, span_id = ids(more.get("parent"))
    return Finished(
        **{
            "trace_id": trace_id,
            "span_id": span_id,
            "parent": None,
            "started_ns": 1_700_000_000_000_000_001,
            "ended_ns": 1_700_000_000_000_000_002,
            "attributes": {names.CLIENT_ID: "acme"},
            "recurring": Recurring(name, {}, failed=failed),
            **more,
        }
    )


def both_ways(*spans):
    encode = encoder(our_resource("shop"), our_scope())
    ours = ExportTraceServiceRequest.FromString(join([encode(each) for each in spans]))
    readables = []
    # The recorder's resource is made anew, and may have an instance's id of its own.
    record = readable(readables.append)
    for each in spans:
        record(each)
    theirs = encode_spans(readables)
    return [list(each.resource_spans[0].scope_spans) for each in (ours, theirs)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"failed": True},
        {"name": ""},
        {"name": "日本 🚀" * 50},
        {"parent": REMOTE},
        {"parent": SpanContext(1, 2, is_remote=False)},
        {"started_ns": 0, "ended_ns": 2**64 - 1},
        {"attributes": {}},
        {"attributes": {"reasons": (), "more": ("stop", "ü")}},
    ],
    ids=str,
)
def test_every_field_of_a_span_is_encoded_as_opentelemetry_encodes_it(changes):
    ours, theirs = both_ways(span(**changes))
    assert ours == theirs


VALUES = st.one_of(
    st.text(),
    st.text(min_size=100, max_size=400),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(st.text()).map(tuple),
)


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=8))
def test_attributes_of_every_kind_are_encoded_as_opentelemetry_encodes_them(attributes):
    ours, theirs = both_ways(span(attributes=attributes))
    assert ours == theirs


@given(st.lists(st.sampled_from([True, False, 1, 0, 1.0, "1", "True"]), min_size=2, max_size=20))
def test_equal_values_of_different_kinds_are_not_taken_for_one_another(values):
    ours, theirs = both_ways(*[span(attributes={"same": value}) for value in values])
    assert ours == theirs


@given(
    st.dictionaries(st.text(min_size=1), VALUES, max_size=4), st.lists(st.integers(), min_size=1, max_size=3)
)
def test_what_many_spans_have_alike_is_encoded_with_each_of_them(alike, own):
    recurring = Recurring("chat", alike)
    attributes = [{"the span's own": str(number)} for number in own]
    ours, theirs = both_ways(*[span(attributes=each, recurring=recurring) for each in attributes])
    assert [in_order(each) for each in ours] == [in_order(each) for each in theirs]


def in_order(scope):
    for each in scope.spans:
        each.attributes.sort(key=lambda attribute: attribute.key)
    return scope


def test_text_that_is_none_is_sent_all_the_same():
    encoded = encoder(our_resource(), our_scope())(span(name="a\udfff", attributes={"odd": "b\ud800"}))
    (got,) = ExportTraceServiceRequest.FromString(join([encoded])).resource_spans[0].scope_spans[0].spans
    assert (got.name, got.attributes[0].value.string_value) == ("a?", "b?")


def test_a_child_is_in_its_parents_trace_and_every_span_has_an_id_of_its_own():
    parent = span(parent=REMOTE)
    child = span(parent=parent.context())
    assert child.trace_id == parent.trace_id == REMOTE.trace_id.to_bytes(16)
    assert child.context().trace_state == REMOTE.trace_state
    random.seed(7)
    first = [ids(None) for _ in range(100)]
    random.seed(7)
    assert len({*first, *[ids(None) for _ in range(100)]}) == 200


def test_two_processes_that_seed_random_alike_draw_other_ids():
    code = "import random; random.seed(7); from spanledger.capture.tracing import ids; print(ids(None))"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
        ).stdout
        for _ in range(2)
    }
    assert len(drawn) == 2


def test_a_span_that_cannot_be_encoded_is_counted_and_its_call_is_answered():
    def refuse(_):
        raise ValueError("no such value")

    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"object": "chat.completion"}))
    with recorded_calls(), Counting() as counted, httpx.Client(transport=transport) as client:
        activate(Meter(refuse))
        answer = client.post("https://api.openai.com/v1/chat/completions", json={"model": "gpt-4o"})
    assert answer.json() == {"object": "chat.completion"}
    assert counted.kinds == {"span_failed": 1}
