"""Whatever happens to the bytes of a segment, every record that is whole is read, and nothing else is."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.delivery.otlp import EncodedSpan, Group
from spanledger.delivery.outbox.record import LARGEST_BODY, MAGIC, Damage, Record, framed, scan

SPANS = st.builds(
    EncodedSpan, st.builds(Group, st.binary(max_size=40), st.binary(max_size=20)), st.binary(max_size=200)
)


def content(span: EncodedSpan) -> tuple[bytes, bytes, bytes]:
    return span.group.resource, span.group.scope, span.field


def joined(spans: list[EncodedSpan]) -> tuple[bytes, list[int]]:
    """The records, one behind the other, and where each begins."""
    records = [framed(span, number) for number, span in enumerate(spans)]
    starts = [sum(map(len, records[:number])) for number in range(len(records))]
    return b"".join(records), starts


def read(data: bytes, *, final: bool = True) -> list[tuple[bytes, bytes, bytes]]:
    return [content(found.span) for found in scan(data, final=final) if isinstance(found, Record)]


@given(st.lists(SPANS, max_size=8))
def test_what_is_written_is_read_back_in_order_with_its_time_and_place(spans: list[EncodedSpan]):
    data, starts = joined(spans)
    found = list(scan(data, final=True))
    assert [content(record.span) for record in found] == [content(span) for span in spans]
    assert [record.written_ns for record in found] == list(range(len(spans)))
    assert [record.start for record in found] == starts
    assert [record.end for record in found] == ([*starts[1:], len(data)] if spans else [])


@given(st.lists(SPANS, min_size=1, max_size=6), st.data())
def test_a_cut_costs_the_record_it_hits_and_no_other(spans: list[EncodedSpan], draw: st.DataObject):
    data, starts = joined(spans)
    cut = draw.draw(st.integers(0, len(data) - 1))
    whole = sum(end <= cut for end in [*starts[1:], len(data)])
    found = list(scan(data[:cut], final=True))
    assert read(data[:cut]) == [content(span) for span in spans[:whole]]
    rest = starts[whole]
    assert [each for each in found if isinstance(each, Damage)] == (
        [Damage(rest, cut, torn=True)] if cut > rest else []
    )


@given(st.lists(SPANS, min_size=1, max_size=6), st.data())
def test_while_somebody_may_write_an_unfinished_end_is_left_for_later(
    spans: list[EncodedSpan], draw: st.DataObject
):
    data, _ = joined(spans)
    cut = draw.draw(st.integers(0, len(data)))
    assert all(isinstance(found, Record) for found in scan(data[:cut], final=False))
    assert read(data[:cut], final=False) == read(data[:cut], final=True)


@given(st.lists(SPANS, min_size=2, max_size=6), st.data())
def test_bytes_that_are_overwritten_cost_the_records_they_hit_and_no_other(
    spans: list[EncodedSpan], draw: st.DataObject
):
    data, starts = joined(spans)
    at = draw.draw(st.integers(0, len(data) - 1))
    length = draw.draw(st.integers(1, len(data) - at))
    over = draw.draw(st.binary(min_size=length, max_size=length))
    damaged = data[:at] + over + data[at + length :]
    ends = [*starts[1:], len(data)]
    unharmed = [
        content(span)
        for span, start, end in zip(spans, starts, ends, strict=True)
        if damaged[start:end] == data[start:end]
    ]
    assert read(damaged) == unharmed


@given(st.lists(SPANS, max_size=4), st.binary(min_size=1, max_size=300), st.integers(0, 4))
def test_bytes_put_in_between_are_told_as_damage_to_the_byte(
    spans: list[EncodedSpan], strange: bytes, number: int
):
    data, starts = joined(spans)
    at = [*starts, len(data)][min(number, len(spans))]
    found = list(scan(data[:at] + strange + data[at:], final=True))
    assert [content(each.span) for each in found if isinstance(each, Record)] == [
        content(span) for span in spans
    ]
    damage = [each for each in found if isinstance(each, Damage)]
    assert [(each.start, each.end, each.torn) for each in damage] == [
        (at, at + len(strange), at == len(data))
    ]


@given(st.binary(max_size=2000), st.booleans())
def test_any_bytes_can_be_scanned_and_every_one_is_accounted_for(data: bytes, final: bool):
    found = list(scan(data, final=final))
    at = 0
    for each in found:
        assert each.start == at
        assert each.end > at
        at = each.end
    assert at == len(data) or not final


def test_a_record_inside_of_an_attribute_is_not_taken_for_one():
    inner = framed(EncodedSpan(Group(b"", b""), b"inner"), 1)
    outer = EncodedSpan(Group(b"", b""), inner)
    assert read(framed(outer, 2)) == [content(outer)]
    # Text, which is all that a provider or an app decides on, cannot even begin like one.
    with pytest.raises(UnicodeDecodeError):
        MAGIC.decode()


def test_a_length_beyond_all_measure_is_damage_and_nothing_is_reserved_for_it():
    length = (2**32 - 1).to_bytes(4, "little")
    strange = MAGIC + length + zlib.crc32(length).to_bytes(4, "little")
    good = framed(EncodedSpan(Group(b"r", b"s"), b"span"), 1)
    assert read(strange + good) == [(b"r", b"s", b"span")]


def test_a_span_too_large_to_be_read_back_is_refused():
    with pytest.raises(ValueError, match="too large"):
        framed(EncodedSpan(Group(b"", b""), bytes(LARGEST_BODY)), 1)


def test_spans_of_one_resource_and_scope_share_them_in_memory():
    data, _ = joined([EncodedSpan(Group(b"resource", b"scope"), b"a") for _ in range(2)])
    first, second = (found.span for found in scan(data, final=True) if isinstance(found, Record))
    assert first.group is second.group
