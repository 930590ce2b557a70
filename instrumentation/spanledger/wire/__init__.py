"""Reading usage off the wire: one small module for each family of formats.

`recognise` looks at a request; what it returns makes a reader, which is fed the answer's decoded bytes
as they arrive and says at the end what the call used. Nothing here knows HTTP libraries or OpenTelemetry.
"""

from spanledger.wire.decode import ContentDecoder, ContentDecodingError, content_decoder
from spanledger.wire.reading import Billable, Line, Reader, Reading, Recognised, Request, Usage
from spanledger.wire.recognise import SOUGHT, by_address, may_ask, recognise
from spanledger.wire.usual import NOTHING_USUAL
from spanledger.wire.websocket import read_websocket_event

__all__ = [
    "NOTHING_USUAL",
    "SOUGHT",
    "Billable",
    "ContentDecoder",
    "ContentDecodingError",
    "Line",
    "Reader",
    "Reading",
    "Recognised",
    "Request",
    "Usage",
    "by_address",
    "content_decoder",
    "may_ask",
    "read_websocket_event",
    "recognise",
]
