"""Runs the parsers on bytes, with no HTTP library in between, and shows their readings as spans would."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from spanledger import names
from spanledger.wire import Reading, Request, Usage, recognise
from support.vectors import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def request(
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request as capture hands it over; a `body` that is not bytes is sent as JSON."""
    parts = urlsplit(url)
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return Request(
        method=method,
        host=parts.hostname or "",
        port=parts.port,
        path=parts.path,
        query=parts.query,
        headers={name.lower(): value for name, value in (headers or {}).items()},
        body=content,
    )


def pieces(data: bytes, size: int | None) -> Iterator[bytes]:
    """The data in pieces of this size; whole where there is none."""
    yield from ([data] if size is None else [data[at : at + size] for at in range(0, len(data), size)])


def read(
    asked: Request,
    data: bytes,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    size: int | None = None,
    ended: bool = True,
) -> list[Reading]:
    """The readings of an exchange; none where nobody recognises it."""
    recognised = recognise(asked)
    if recognised is None:
        return []
    given = {"content-type": "application/json"} if headers is None else headers
    given = {name.lower(): value for name, value in given.items()}
    if size is None and ended:
        return recognised.whole(status, given, data)
    reader = recognised.reader(status, given)
    for piece in pieces(data, size):
        reader.feed(piece)
    return reader.finish(ended=ended)


def post(url: str, asked: Any, answer: Any, **options: Any) -> Reading:
    """The one reading of a POST that is answered with this JSON."""
    (reading,) = read(request("POST", url, asked), json.dumps(answer).encode(), **options)
    return reading


def sse(*events: Any, done: bool = False) -> bytes:
    """Server-sent events of these objects."""
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


EVENT_STREAM = {"content-type": "text/event-stream"}


def stream(url: str, asked: Any, *events: Any, done: bool = False, **options: Any) -> Reading:
    """The one reading of a POST that is answered with these server-sent events."""
    options.setdefault("headers", EVENT_STREAM)
    (reading,) = read(request("POST", url, asked), sse(*events, done=done), **options)
    return reading


def frame(payload: bytes, **headers: str) -> bytes:
    """A frame as AWS encodes it, `:event-type` and so on as keywords."""
    head = b""
    for name, value in headers.items():
        key = (":" + name.replace("_", "-")).encode()
        head += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return data + struct.pack(">I", zlib.crc32(data))


def seen(readings: list[Reading]) -> list[Seen]:
    """The readings as spans: attributes by the vocabulary's names, lines as children."""
    spans = []
    for reading in readings:
        spans.append(Seen(_attributes(reading)))
        for number, line in enumerate(reading.lines):
            attributes = _usage(line.usage)
            attributes[names.LINE] = f"{line.kind}.{number + 1}" if number else line.kind
            attributes[names.RESPONSE_MODEL] = line.model
            attributes[names.BILLING_KEY] = reading.billing_key
            spans.append(
                Seen({name: value for name, value in attributes.items() if value is not None}, line=True)
            )
    return spans


def _attributes(reading: Reading) -> dict[str, Any]:
    attributes = _usage(reading.usage) | {
        names.PROVIDER: reading.provider,
        names.OPERATION: reading.operation,
        names.REQUEST_MODEL: reading.request_model,
        names.RESPONSE_MODEL: reading.response_model,
        names.RESPONSE_ID: reading.response_id,
        names.USAGE_FOUND: reading.found,
        names.USAGE_COMPLETE: reading.complete,
        names.BILLABLE: reading.billable,
        names.BILLING_KEY: reading.billing_key,
        names.SERVICE_TIER: reading.service_tier,
        names.SERVICE_TIER_REQUESTED: reading.service_tier_requested,
        names.INFERENCE_GEO: reading.inference_geo,
        names.SPEED: reading.speed,
        names.TRAFFIC_TYPE: reading.traffic_type,
        names.FINISH_REASONS: tuple(reading.finish_reasons) or None,
        names.ERROR_TYPE: reading.error_type,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _usage(usage: Usage) -> dict[str, Any]:
    attributes = {name: getattr(usage, field) for field, name in names.USAGE.items()}
    attributes |= {names.SERVER_TOOL_PREFIX + tool: number for tool, number in usage.server_tools.items()}
    attributes[names.PROVIDER_COST_USD] = usage.provider_cost_usd
    return attributes
