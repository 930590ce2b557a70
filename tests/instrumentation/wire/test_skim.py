"""The skimmer against Python's own parser."""

import json
import tracemalloc
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.wire import skim as skimming
from spanledger.wire.skim import _SMALL, COUNT, HAS, KEEP, Document, Skimmer, skim
from spanledger.wire.skimmer import MAX_KEPT

NAMES = ["id", "usage", "choices", "a", 'quo"te', "back\\slash", "ünï", ""]
LONG = st.builds(
    lambda n, item: [item] * n, st.integers(0, 400), st.sampled_from([1, -0.25, 10, "a", None, [2]])
)
TEXT = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", '\\"', "{", "]", '{"usage": 1}', "\u2028", "a" * 3000]
)
SCALARS = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXT | LONG
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | TEXT, inner, max_size=4)
    ),
    max_leaves=24,
)
CONTAINERS = VALUES.filter(lambda value: isinstance(value, (dict, list)))
SPECS = st.recursive(
    st.sampled_from([KEEP, HAS, COUNT]),
    lambda inner: (
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=4) | st.lists(inner, min_size=1, max_size=1)
    ),
    max_leaves=8,
)


def pruned(value, spec):
    """What a skimmer must find, said plainly."""
    if spec == KEEP:
        return value
    if spec == HAS:
        return True
    if spec == COUNT:
        return len(value) if isinstance(value, list) else None
    if isinstance(spec, dict):
        if not isinstance(value, dict):
            return None
        return {name: pruned(value[name], spec[name]) for name in value if name in spec}
    return [pruned(item, spec[0]) for item in value] if isinstance(value, list) else None


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(VALUES, SPECS, st.lists(st.integers(0, 10**6), max_size=12), st.booleans(), st.sampled_from([None, 2]))
def test_a_skimmer_finds_what_parsing_and_pruning_finds_however_the_text_is_split(
    value, spec, cuts, ascii_only, indent
):
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    skimmer, by_the_byte = Skimmer(spec), Skimmer(spec)
    for piece in split(data, cuts):
        skimmer.feed(piece)
    skimmer.feed(b"\n")
    for at in range(len(data)):
        by_the_byte.feed(data[at : at + 1])
    by_the_byte.feed(b"\n")
    expected = pruned(json.loads(data.decode("utf-8", "replace"), parse_float=Decimal), spec)
    for found in (skimmer, by_the_byte):
        assert (found.root, found.closed, found.broken) == (expected, True, False)
    assert skim(data, spec) == expected


@given(CONTAINERS, SPECS, st.lists(st.integers(0, 10**6), max_size=6))
def test_a_document_finds_the_same_below_and_above_the_size_that_is_parsed_at_once(value, spec, cuts):
    small = json.dumps(value).encode()
    # White space ahead of it is not JSON's business, but makes it large.
    large = b" " * _SMALL + small
    found = []
    for data in (small, large):
        document = Document(spec)
        for piece in split(data, cuts):
            document.feed(piece)
        found.append(document.root())
    assert found[0] == found[1]


AGENTS = {
    "code": "print(\"a\", 'b')  # c\n" * 4000,
    "messages": [{"role": "user", "content": "and then?"}] * 2000,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"model": "no"}}}] * 1500,
}
VECTORS = {"input": [[number, number / 7] for number in range(8000)]}


@pytest.mark.parametrize("around", [AGENTS, VECTORS], ids=["an agent's", "vectors"])
@given(value=CONTAINERS, spec=SPECS)
@settings(max_examples=30)
def test_a_large_text_says_what_a_small_one_does(around, value, spec):
    data = json.dumps({**around, "value": value}).encode()
    assert len(data) > _SMALL
    small = skim(json.dumps({"value": value}).encode(), {"value": spec})
    assert skim(data, {"value": spec}) == small
    if "tools" in around:
        assert skim(data, {"tools": [{"type": KEEP}]}) == {"tools": [{"type": "function"}] * 1500}


@pytest.mark.parametrize(("around", "slower"), [(AGENTS, "Skimmer"), (VECTORS, "parsed")])
def test_a_large_text_is_read_by_the_faster_way(around, slower, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(skimming, slower)
    assert skim(json.dumps({**around, "id": "c"}).encode(), {"id": KEEP}) == {"id": "c"}


@pytest.mark.parametrize(("at_once", "unused"), [(MAX_KEPT, "parsed"), (4 * MAX_KEPT, "Skimmer")])
def test_a_text_of_words_is_parsed_at_once_as_far_as_that_is_allowed(
    at_once, unused, monkeypatch: pytest.MonkeyPatch
):
    data = json.dumps({"code": 'say("a") ' * (MAX_KEPT // 8), "id": "c"}).encode()
    assert len(data) > MAX_KEPT
    monkeypatch.delattr(skimming, unused)
    assert skim(data, {"id": KEEP}, at_once=at_once) == {"id": "c"}


@pytest.mark.parametrize("size", range(1, 30))
def test_an_escape_that_is_cut_in_two_escapes_all_the_same(size):
    data = rb'{"skipped": ["a\"", "b\\", "\\\", \"id\": 1"], "k\"ey": "\\\"", "id": "c\"\\"}'
    skimmer = Skimmer({"id": KEEP})
    for at in range(0, len(data), size):
        skimmer.feed(data[at : at + size])
    assert skimmer.root == {"id": 'c"\\'}


@given(st.binary(max_size=200), SPECS)
def test_no_bytes_make_a_skimmer_raise(data, spec):
    whole, pieces = Skimmer(spec), Skimmer(spec)
    whole.feed(data)
    for at in range(len(data)):
        pieces.feed(data[at : at + 1])
    assert (whole.closed, whole.broken) == (pieces.closed, pieces.broken)
    skim(data, spec)


@given(CONTAINERS)
def test_a_text_that_is_cut_is_not_read(value):
    data = json.dumps(value).encode()
    assert skim(data[:-1], KEEP) is None


def test_elements_of_a_root_array_are_given_one_by_one():
    taken = []
    skimmer = Skimmer({"n": KEEP}, taken.append)
    for piece in split(b'[{"n": 1, "x": [2]},\r\n{"n": 3}, 4]', [5, 11, 20, 22]):
        skimmer.feed(piece)
    assert taken == [{"n": 1}, {"n": 3}, None]
    assert skimmer.closed


@pytest.mark.parametrize(
    ("number", "found"),
    [
        ("1" * 5000, None),
        ("-0", 0),
        ("1e3", Decimal(1000)),
        ("0.0160614", Decimal("0.0160614")),
        ("1e999999999999999999999", None),
        ("NaN", None),
        ("Infinity", None),
    ],
)
def test_a_number_beyond_reason_is_unknown_and_its_neighbours_are_not(number, found):
    data = f'{{"usage": {{"bad": {number}, "good": 7}}}}'.encode()
    expected = {"usage": {"bad": found, "good": 7}}
    assert skim(data, {"usage": KEEP}) == expected
    assert skim(b" " * _SMALL + data, {"usage": KEEP}) == expected


def test_nesting_without_end_is_passed_by():
    data = b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b', "id": "after"}'
    assert skim(data, {"id": KEEP}) == {"id": "after"}


def test_nesting_with_anything_in_it_is_passed_by_where_it_ends():
    inside = b'"]}\\"[", 1, ' * 3
    for depth in (60, 63, 64, 65, 66, 130, 1000):
        nested = b'[{"a": ' * depth + inside + b"[]" + b', "[", {}}, 2]' * depth
        for size in (1, 7, 64, len(nested)):
            skimmer = Skimmer({"id": KEEP})
            data = b'{"x": ' + nested + b', "id": "after"}'
            for start in range(0, len(data), size):
                skimmer.feed(data[start : start + size])
            assert (skimmer.closed, skimmer.root) == (True, {"id": "after"}), (depth, size)


def test_a_kept_member_of_absurd_size_is_unknown_and_what_follows_is_read():
    data = b'{"id": "' + b"a" * (MAX_KEPT + 10) + b'", "model": "m"}'
    assert skim(data, {"id": KEEP, "model": KEEP}, long_texts=True) == {"id": None, "model": "m"}


def test_what_a_skimmer_holds_does_not_grow_with_what_it_passes_by():
    skimmer = Skimmer({"id": KEEP})
    piece = b'"' + b"x" * 65_000 + b'", [1, 2, {"id": "no"}], '
    skimmer.feed(b'{"data": [')
    tracemalloc.start()
    for _ in range(300):
        skimmer.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    skimmer.feed(b'0], "id": "yes"}')
    assert skimmer.root == {"id": "yes"}
    assert peak < 1_000_000
