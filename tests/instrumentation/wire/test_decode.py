"""Content codings are undone piece by piece."""

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from spanledger.wire import ContentDecodingError, content_decoder
from support.wire import pieces

BODY = b'data: {"usage": {"prompt_tokens": 1}}\n\n' * 500


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def decoded(coding: str, data: bytes, size: int | None) -> bytes:
    decoder = content_decoder(coding)
    return b"".join(decoder.feed(piece) for piece in pieces(data, size))


@pytest.mark.parametrize("size", [None, 1, 13])
@pytest.mark.parametrize("coding", CODINGS)
def test_a_coding_is_undone_in_pieces_of_any_size(coding, size):
    assert decoded(coding, CODINGS[coding](BODY), size) == BODY
    assert decoded(coding.upper(), CODINGS[coding](BODY), size) == BODY


@pytest.mark.parametrize("size", [None, 1, 13])
def test_deflate_without_its_wrapper_is_undone_as_some_servers_send_it(size):
    assert decoded("deflate", raw_deflate(BODY), size) == BODY


@pytest.mark.parametrize("size", [None, 1, 13])
def test_gzip_may_have_several_members(size):
    assert decoded("gzip", gzip.compress(BODY) + gzip.compress(b"more"), size) == BODY + b"more"


def test_codings_over_one_another_are_undone_from_the_outermost():
    assert decoded("deflate, gzip", gzip.compress(zlib.compress(BODY)), 100) == BODY
    assert decoded("identity, gzip", gzip.compress(BODY), 100) == BODY


def test_a_flushed_piece_is_decoded_when_it_arrives_and_not_at_the_end():
    engine = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    first = engine.compress(b"data: 1\n\n") + engine.flush(zlib.Z_SYNC_FLUSH)
    assert content_decoder("gzip").feed(first) == b"data: 1\n\n"


@pytest.mark.parametrize("header", [None, "", "identity", " , identity"])
def test_nothing_needs_no_decoder(header):
    assert content_decoder(header) is None


@pytest.mark.parametrize("header", ["compress", "gzip, exotic", "x" * 500, ", ".join(["gzip"] * 6)])
def test_a_coding_that_nobody_here_undoes_is_refused_by_name(header):
    with pytest.raises(ContentDecodingError, match="found") as refusal:
        content_decoder(header)
    assert len(str(refusal.value)) < 200


@given(st.sampled_from(sorted(CODINGS)), st.binary(max_size=100), st.sampled_from([None, 1]))
def test_data_in_no_coding_is_refused_with_one_kind_of_error_or_decodes_to_something(coding, data, size):
    try:
        assert isinstance(decoded(coding, data, size), bytes)
    except ContentDecodingError:
        return


@pytest.mark.parametrize("coding", CODINGS)
def test_plain_text_in_place_of_a_coding_is_refused(coding):
    with pytest.raises(ContentDecodingError):
        decoded(coding, b'{"usage": 1} and so on and on', None)
