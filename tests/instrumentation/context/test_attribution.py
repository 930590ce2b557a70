"""What a client, a project and a label may be; and what is not breaks nothing."""

import logging
from enum import Enum
from typing import Any

import pytest

from spanledger.attribution import Attribution
from support.counting import Counting


@pytest.mark.parametrize(
    "client_id",
    [
        "a",
        "acme",
        "Acme GmbH & Co. KG",
        "x" * 128,
        'it\'s "quoted"',
        "日本",
        "🚀",
        "\u200f\u05e2\u05d1\u05e8",
        "-1",
    ],
)
def test_any_text_of_1_to_128_characters_is_a_client(client_id: str):
    with Counting() as counted:
        assert Attribution.checked(client_id).client_id == client_id
    assert counted.kinds == {}


def test_white_space_around_a_client_is_cut_off():
    assert Attribution.checked("  acme \t\n").client_id == "acme"


def test_the_value_of_a_text_enumeration_is_the_client():
    class Client(str, Enum):  # noqa: UP042 - its str() is not its value, that is the case
        ACME = "acme"

    assert Attribution.checked(Client.ACME).client_id == "acme"
    assert type(Attribution.checked(Client.ACME).client_id) is str


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        b"acme",
        ["acme"],
        "",
        "   ",
        "x" * 129,
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\ud800b",
    ],
)
def test_anything_else_is_unattributed_and_counted(value: Any):
    with Counting() as counted:
        assert Attribution.checked(value).client_id is None
    assert counted.kinds == {"client_id_refused": 1}


@pytest.mark.parametrize("value", [9, "", "x" * 121, "a\rb"])
def test_a_refused_project_is_dropped_and_the_client_is_billed_all_the_same(value: Any):
    with Counting() as counted:
        assert Attribution.checked("acme", project=value) == Attribution("acme")
    assert counted.kinds == {"project_refused": 1}


def test_labels_that_are_allowed_are_kept_in_order():
    labels = {"feature": "chat", "a.b-c_9": "x" * 120, "k" * 40: "ü"}
    assert dict(Attribution.checked("acme", labels=labels).labels) == labels
    assert Attribution.checked("acme", labels=[("feature", "chat")]).labels == (("feature", "chat"),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Upper", "x"),
        ("", "x"),
        ("k" * 41, "x"),
        ("sp ace", "x"),
        (5, "x"),
        ("k\n", "x"),
        ("k", ""),
        ("k", 3),
        ("k", "y" * 121),
        ("k", "a\nb"),
    ],
)
def test_a_label_that_is_not_allowed_is_dropped_alone_and_counted(key: Any, value: Any):
    with Counting() as counted:
        assert Attribution.checked("acme", labels={key: value, "kept": "yes"}).labels == (("kept", "yes"),)
    assert counted.kinds == {"labels_refused": 1}


def test_of_more_than_ten_labels_the_first_ten_are_kept_and_the_rest_counted():
    labels = {f"l{i}": "x" for i in range(13)}
    with Counting() as counted:
        kept = Attribution.checked("acme", labels=labels).labels
    assert kept == tuple(labels.items())[:10]
    assert counted.kinds == {"labels_refused": 3}


@pytest.mark.parametrize("labels", [5, "text", [1, 2], object()])
def test_labels_that_are_no_mapping_are_dropped_and_raise_nothing(labels: Any):
    with Counting() as counted:
        assert Attribution.checked("acme", labels=labels) == Attribution("acme")
    assert set(counted.kinds) == {"labels_refused"}


def test_a_refusal_shows_a_short_piece_of_text_and_of_other_objects_only_their_type(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    from spanledger import health

    class Request:
        def __repr__(self) -> str:
            return "Authorization: secret"

    for value, shown in [
        ("x" * 10_000, "'" + "x" * 60 + "..."),
        (Request(), "a Request"),
        ("a\nb", r"'a\nb'"),
    ]:
        monkeypatch.setattr(health, "_counts", health._Counts())
        with caplog.at_level(logging.WARNING, "spanledger"):
            Attribution.checked(value)
        assert caplog.messages.pop().startswith(f"{shown} is no client id: a client id is text of 1 to 128")
        caplog.clear()
