"""Cutting the long strings of a JSON text: nothing else changes, and what is left of them is their beginning."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spanledger.wire.shorten import _LONG_STRINGS, shortened
from spanledger.wire.values import MAX_TEXT

PIECES = st.lists(
    st.sampled_from(['"', "\\", "prose ", "é", "😀", "\n", "\\u0041", "],{", "a" * 1500, "b" * 9000]),
    max_size=5,
)
TEXTS = st.builds(lambda pieces, times: "".join(pieces) * times, PIECES, st.integers(1, 4000)).filter(
    lambda text: len(text) < 60_000
)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def alike(cut, value) -> bool:
    """Whether the one is the other but for the ends of long strings."""
    if isinstance(value, str):
        # Of a pair of surrogates that are written as escapes the first may be left at the end.
        return cut == value or (len(cut) > MAX_TEXT and value.startswith(cut.rstrip("\ud83d")))
    if isinstance(value, list):
        return len(cut) == len(value) and all(map(alike, cut, value))
    if isinstance(value, dict):
        pairs = zip(cut.items(), value.items(), strict=True)
        return all(alike(a, c) and alike(b, d) for (a, b), (c, d) in pairs)
    return cut == value


@given(st.lists(VALUES, min_size=1, max_size=4), st.booleans())
@example(["a" * 4095 + "\\" * 9000, "after"], False)
@example(["a" * 4094 + "😀" * 9000, {"after": 1}], True)
def test_all_but_the_ends_of_long_strings_stays(values, ascii_only):
    data = json.dumps(values, ensure_ascii=ascii_only).encode()
    assert alike(json.loads(shortened(data).decode("utf-8", "ignore")), values)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "\n" * 50_000,
        '"no"' + "!" * 9000,
        "\\" * 50_000,
        ("x" * 2000 + '"') * 100,
        '"' * 15 + "x" * 9000,
    ],
)
def test_a_long_string_is_cut(text):
    data = json.dumps({"text": text, "model": "m"}).encode()
    assert len(shortened(data)) < 5000
    assert json.loads(shortened(data))["model"] == "m"


def test_many_long_strings_are_not_looked_at_one_by_one():
    data = json.dumps(["x" * 10_000] * 100).encode()
    assert len(shortened(data)) < len(data) - 5000 * _LONG_STRINGS
    assert len(json.loads(shortened(data))) == 100


def test_a_string_of_many_quotes_is_not_looked_through():
    data = json.dumps({"text": 'x "y" ' * 20_000, "model": "m"}).encode()
    assert shortened(data) is data


@given(st.binary(max_size=300), st.integers(0, 20_000))
def test_what_is_not_json_does_not_become_json(noise, length):
    data = b'{"a": "' + b"x" * length + noise
    try:
        json.loads(data.decode("utf-8", "replace"), strict=False)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - any that says so
            json.loads(shortened(data).decode("utf-8", "replace"), strict=False)
