"""Puts a reader together: the framing that the answer arrives in, and the parser of its family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from spanledger import health
from spanledger.remembered import Remembered
from spanledger.wire.anthropic import AnthropicParser
from spanledger.wire.batches import BatchFileParser, BatchObjectParser, GeminiBatchParser
from spanledger.wire.bedrock import ConverseParser, InvokeParser
from spanledger.wire.cohere import CohereParser
from spanledger.wire.framing import AwsEventStream, JsonLines
from spanledger.wire.gemini import GeminiParser, PredictParser
from spanledger.wire.gemini_interactions import InteractionsParser
from spanledger.wire.media import ConversationParser, FreeParser, MediaParser, PagesParser
from spanledger.wire.ollama import OllamaParser
from spanledger.wire.openai_chat import ChatParser
from spanledger.wire.openai_responses import ResponsesParser
from spanledger.wire.shape import ShapeParser
from spanledger.wire.sieve import SievedEvents
from spanledger.wire.skim import LARGE, Document, Skimmer, skim
from spanledger.wire.usual import NOTHING_USUAL
from spanledger.wire.watsonx import WatsonxParser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spanledger.wire.call import Call
    from spanledger.wire.parser import Parser
    from spanledger.wire.reading import Reader, Reading
    from spanledger.wire.usual import Usual

FAMILIES: Final[dict[str, type[Parser]]] = {
    "openai_chat": ChatParser,
    "openai_responses": ResponsesParser,
    "media": MediaParser,
    "anthropic": AnthropicParser,
    "gemini": GeminiParser,
    "gemini_interactions": InteractionsParser,
    "predict": PredictParser,
    "bedrock_converse": ConverseParser,
    "bedrock_invoke": InvokeParser,
    "cohere": CohereParser,
    "ollama": OllamaParser,
    "pages": PagesParser,
    "conversation": ConversationParser,
    "batch_file": BatchFileParser,
    "batch_object": BatchObjectParser,
    "free": FreeParser,
    "watsonx": WatsonxParser,
    "shape": ShapeParser,
}


_GOOGLE: Final = frozenset(("candidates", "usageMetadata", "promptFeedback", "error"))


_BOM: Final = b"\xef\xbb\xbf"


class _Framing(Protocol):
    @property
    def overlong(self) -> int: ...
    def feed(self, data: bytes) -> None: ...
    def finish(self) -> None: ...


_media_types: Final = Remembered[str](lambda content_type: content_type.partition(";")[0].strip().lower(), 64)


def answer_reader(call: Call, status: int, headers: Mapping[str, str]) -> Reader:
    if not 200 <= status < 300:
        return _Unbilled(call, status)
    return AnswerReader(call, _parser(call, headers), headers)


def read_whole(call: Call, status: int, headers: Mapping[str, str], data: bytes) -> list[Reading]:
    """What a body says that is there in one piece: by the shortest way where it is one JSON object."""
    if (
        not 200 <= status < 300
        or data[:1] != b"{"
        or call.family == "batch_file"
        or _media_types[headers.get("content-type", "")] != "application/json"
    ):
        reader = answer_reader(call, status, headers)
        reader.feed(data)
        return reader.finish(ended=True)
    parser = _parser(call, headers)
    parser.streamed = False
    root = parser.around(data) if len(data) > LARGE and _is_whole(call, headers) else None
    if root is None:
        root = skim(data, parser.SPEC)
    if isinstance(root, dict):
        parser.whole(root)
    return _told(call, parser, ended=True)


def _parser(call: Call, headers: Mapping[str, str]) -> Parser:
    family = FAMILIES[call.family]
    if family is BatchObjectParser and call.provider in ("gcp.gemini", "gcp.vertex_ai"):
        family = GeminiBatchParser
    return family(call, headers)


def _is_whole(call: Call, headers: Mapping[str, str]) -> bool:
    """Whether an answer that has ended cannot have been cut.

    Without a length or chunks it ends with the connection, and nothing tells whether that was meant. Of
    vectors, a part cannot be taken for the whole.
    """
    framed = "content-length" in headers or "transfer-encoding" in headers
    return call.known and (framed or call.operation == "embeddings")


def _told(call: Call, parser: Parser, *, ended: bool) -> list[Reading]:
    readings = parser.finish()
    if parser.dropped:
        _count(parser.dropped, "batch_items_dropped", "a batch file had too many items")
    # Of an unknown host, a body that was cut before it could show its shape is no proof against a request
    # that left no doubt.
    undecided = call.certain and not ended
    return readings if call.known or parser.shaped or undecided else []


class _Unbilled:
    """An answer that is no success carries no usage, and no provider bills it."""

    def __init__(self, call: Call, status: int) -> None:
        self._call = call
        self._status = status

    def feed(self, data: bytes) -> None:
        """Nothing in it is wanted."""

    def usual(self, latest: Sequence[bytes]) -> Usual:  # noqa: ARG002 - the protocol's
        return NOTHING_USUAL

    def finish(self, *, ended: bool) -> list[Reading]:  # noqa: ARG002 - the protocol's
        call = self._call
        # A look at a batch or a file that fails is no call; neither is a redirection.
        if self._status < 400 or not call.certain or call.family.startswith("batch"):
            return []
        reading = call.reading()
        reading.complete = True
        reading.billable = "no"
        reading.error_type = str(self._status)
        return [reading]


class AnswerReader:
    """Reads a successful answer. What its bytes turn out to be wins over what its headers promise."""

    def __init__(self, call: Call, parser: Parser, headers: Mapping[str, str]) -> None:
        self._call = call
        self._parser = parser
        self._type = _media_types[headers.get("content-type", "")]
        self._framing: _Framing | None = None
        self._document: Document | None = None
        self._array: Skimmer | None = None
        self._start = b""

    def feed(self, data: bytes) -> None:
        if self._framing is not None:
            self._framing.feed(data)
        elif data:
            self._start += data
            self._choose()

    def usual(self, latest: Sequence[bytes]) -> Usual:
        framing = self._framing
        return framing.usual(latest) if isinstance(framing, SievedEvents) else NOTHING_USUAL

    def _choose(self) -> None:
        if _BOM.startswith(self._start):
            return
        start = self._start.removeprefix(_BOM).lstrip()
        if self._type == "application/vnd.amazon.eventstream":
            framing: _Framing = AwsEventStream(self._frame)
            start = self._start
        elif self._type.startswith(("audio/", "image/", "video/")):
            framing = _Nothing()
        elif not start:
            self._start = b" "
            return
        else:
            framing = self._by_first_byte(start)
        self._start = b""
        self._framing = framing
        framing.feed(start)

    def _by_first_byte(self, start: bytes) -> _Framing:
        first = start[:1]
        if self._type == "text/event-stream" or (first in b"de:ir" and self._type != "text/plain"):
            self._parser.streamed = True
            return SievedEvents(self._parser, self._event)
        if first == b"[":
            self._parser.streamed = True
            self._array = Skimmer(self._parser.SPEC, self._element)
            return _Text(self._array)
        if first == b"{":
            if self._call.family == "batch_file":
                return JsonLines(self._event)
            if "jsonl" in self._type or "ndjson" in self._type or self._type == "application/stream+json":
                self._parser.streamed = True
                return JsonLines(self._event)
            self._parser.streamed = False
            self._document = Document(self._parser.SPEC)
            return _Text(self._document)
        return _Nothing()

    def _event(self, name: bytes, data: bytes) -> None:
        parser = self._parser
        if data == b"[DONE]":
            parser.end_mark()
        elif parser.wants(data):
            root = skim(data, parser.SPEC)
            if isinstance(root, dict):
                parser.event_name = name
                parser.event(root)

    def _frame(self, name: bytes, payload: bytes) -> None:
        parser = self._parser
        parser.streamed = True
        if name.startswith(b"exception:"):
            parser.fail(name[10:].decode("ascii", "replace"))
        elif isinstance(parser, InvokeParser):
            parser.frame(payload)
        elif parser.wants(payload):
            root = skim(payload, parser.SPEC)
            if isinstance(root, dict):
                parser.event_name = name
                parser.event(root)

    def _element(self, root: Any) -> None:
        # Only Google streams like this; its errors come as an element, too.
        if isinstance(root, dict) and not _GOOGLE.isdisjoint(root):
            self._parser.event(root)

    def finish(self, *, ended: bool) -> list[Reading]:
        if self._framing is not None:
            self._framing.finish()
            _count(self._framing.overlong, "event_too_long", "an event of a stream was too long")
        if self._framing is None or isinstance(self._framing, _Nothing):
            self._parser.bare(ended=ended)
        elif self._array is not None and self._array.closed:
            self._parser.end_mark()
        if self._document is not None:
            root = self._document.root()
            if isinstance(root, dict):
                self._parser.whole(root)
        return _told(self._call, self._parser, ended=ended)


def _count(times: int, kind: str, what: str) -> None:
    if times:
        health.count(kind, times=times, log=f"{what} to be read; usage in it is not metered")


class _Text:
    """One JSON text; what is read of it is asked for at its end."""

    overlong = 0

    def __init__(self, text: Document | Skimmer) -> None:
        self.feed = text.feed

    def finish(self) -> None:
        pass


class _Nothing:
    """Audio, pictures, plain text."""

    overlong = 0

    def feed(self, data: bytes) -> None:
        pass

    def finish(self) -> None:
        pass
