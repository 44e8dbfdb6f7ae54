"""The headers of gRPC's answers in HTTP/2."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from otel_fe.collector.servers.grpc_calls import STATUS_KEY

if TYPE_CHECKING:
    from otel_fe.collector.servers.grpc_calls import Refusal

HEADERS: Final = [(b":status", b"200"), (b"content-type", b"application/grpc")]
"""Before a message."""
TRAILERS: Final = [(b"grpc-status", b"0")]
"""After it."""

_UNQUOTED: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
"""Characters of a status message that are sent as they are (gRPC over HTTP/2, "Status-Message")."""

_WRONG_PORT_TEXT: Final = (
    b"This port takes OTLP over gRPC. Send OTLP over HTTP to the port of protocols::http, by default 4318.\n"
)
WRONG_PORT: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_WRONG_PORT_TEXT), _WRONG_PORT_TEXT)
)
"""To a client that speaks HTTP/1: a connection that just ends would not tell it why."""
_METHODS: Final = (b"POST ", b"GET ", b"PUT ", b"HEAD ", b"OPTIONS ")


def is_http1(received: bytearray) -> bool:
    """Return whether the first bytes of a connection are a request of HTTP/1."""
    return received.startswith(_METHODS)


def refused(answer: Refusal) -> list[tuple[bytes, bytes]]:
    """Return all that is sent to a call that is refused."""
    return [
        *HEADERS,
        (b"grpc-status", str(answer.code.grpc).encode()),
        (b"grpc-message", quote(answer.message, safe=_UNQUOTED).encode()),
        (STATUS_KEY.encode(), b64encode(answer.details).rstrip(b"=")),
        (b"grpc-accept-encoding", b"identity,gzip,deflate,zstd,snappy"),
    ]
