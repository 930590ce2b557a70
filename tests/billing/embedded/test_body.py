"""Bodies as they come over the wire: encodings, their bounds, and what is not as HTTP says."""

import gzip
import io
import zlib
from collections.abc import Callable
from email.message import Message

import lz4.frame
import pytest
from backports import zstd

from spanledger_billing.embedded import body
from spanledger_billing.embedded.body import BadRequestError

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
}


def _read(content: bytes, **headers: str) -> bytes:
    told = Message()
    for name, value in headers.items():
        told[name.replace("_", "-")] = value
    return body.read(io.BytesIO(content), told)


def _with_length(content: bytes, encoding: str) -> bytes:
    return _read(content, Content_Length=str(len(content)), Content_Encoding=encoding)


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("content", [b"", b"x", b"ab" * 1_500_000], ids=["empty", "small", "several pieces"])
def test_each_content_encoding_decodes_to_what_was_sent(encoding: str, content: bytes) -> None:
    assert _with_length(ENCODERS[encoding](content), encoding) == content


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_body_of_several_encoded_texts_decodes_to_all_of_them(encoding: str) -> None:
    texts = [b"one", b"", b"ab" * 1_500_000, b"three"]
    assert _with_length(b"".join(map(ENCODERS[encoding], texts)), encoding) == b"".join(texts)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_small_body_that_decodes_to_a_huge_one_is_refused(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MAX_BODY", 10 << 20)
    assert len(_with_length(ENCODERS[encoding](b"\0" * (10 << 20)), encoding)) == 10 << 20
    with pytest.raises(BadRequestError) as refused:
        _with_length(ENCODERS[encoding](b"\0" * ((10 << 20) + 1)), encoding)
    assert refused.value.status == 413


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize(
    "spoil",
    [lambda whole: whole[:-1], lambda whole: whole + b"more", lambda _whole: b"nonsense"],
    ids=["cut short", "followed by more", "not encoded"],
)
def test_a_damaged_encoding_is_refused(encoding: str, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadRequestError) as refused:
        _with_length(spoil(ENCODERS[encoding](b"some rows")), encoding)
    assert refused.value.status == 400


def test_an_unknown_encoding_is_named_with_those_that_are_known() -> None:
    with pytest.raises(BadRequestError, match=r"'snappy' is not known here; known: gzip, deflate, lz4, zstd"):
        _with_length(b"x", "snappy")


def test_chunks_are_joined_whatever_their_sizes_extensions_and_trailers() -> None:
    framed = b"3\r\nabc\r\n0A;name=value\r\n0123456789\r\n1\r\n\n\r\n0\r\nTrailer: x\r\n\r\n"
    assert _read(framed, Transfer_Encoding="chunked") == b"abc0123456789\n"


@pytest.mark.parametrize(
    "framed",
    [
        b"x\r\nabc\r\n0\r\n\r\n",
        b"-1\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"\r\nabc",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"5\r\nabc",
        b"3\r\nabc\r\n",
        b"3" * 5000,
        b"123456789\r\n",
    ],
)
def test_bad_chunking_is_refused(framed: bytes) -> None:
    with pytest.raises(BadRequestError) as refused:
        _read(framed, Transfer_Encoding="chunked")
    assert refused.value.status == 400


@pytest.mark.parametrize("length", ["-1", "+1", "1_0", "1.0", "x", "", "9" * 16])
def test_a_length_that_is_no_plain_number_is_refused(length: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        _read(b"abc", Content_Length=length)
    assert refused.value.status == 400


def test_a_body_shorter_than_its_length_is_refused() -> None:
    with pytest.raises(BadRequestError, match="ends early"):
        _read(b"abc", Content_Length="4")


def test_a_body_announced_beyond_the_bound_is_refused_unread() -> None:
    unread = io.BytesIO(b"abc")
    told = Message()
    told["Content-Length"] = str(body.MAX_BODY + 1)
    with pytest.raises(BadRequestError) as refused:
        body.read(unread, told)
    assert (refused.value.status, unread.tell()) == (413, 0)


def test_a_request_that_is_chunked_and_has_a_length_is_refused() -> None:
    """Two readers of such a request disagree about where the next one begins."""
    with pytest.raises(BadRequestError) as refused:
        _read(b"0\r\n\r\n", Transfer_Encoding="chunked", Content_Length="5")
    assert refused.value.status == 400
