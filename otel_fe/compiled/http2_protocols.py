"""What the compiled side of HTTP/2 looks like. There is no plain one: without it, grpcio receives."""

from __future__ import annotations

from typing import Any, Protocol

Headers = list[tuple[bytes, bytes]]
"""Names, in lower case, and values."""


class Http2Call(Protocol):
    """A request of gRPC."""

    signal: Any
    """Of its server, as is the next."""
    since_s: float

    @property
    def answered(self) -> bool:
        """Whether its server has answered or reset it."""
        ...

    @property
    def headers(self) -> Headers:
        """In the order in which they came."""
        ...

    def values(self, name: bytes, /) -> list[bytes]:
        """Return the values of a header."""
        ...

    def message(self) -> tuple[bool, bytes] | None:
        """Return whether the message is compressed, and its bytes; None if there is not exactly one."""
        ...


class Http2Session(Protocol):
    """The server's side of one connection; see `http2.pyx`. Not thread-safe."""

    @property
    def open_calls(self) -> list[Http2Call]:
        """The calls that are not answered yet."""
        ...

    @property
    def unsent_calls(self) -> list[Http2Call]:
        """The calls whose answer has not been taken by `to_send`."""
        ...

    @property
    def has_calls(self) -> bool:
        """Whether there are calls that are not answered yet, or whose answer has not been taken by `to_send`."""
        ...

    @property
    def held_bytes(self) -> int:
        """Bytes of unanswered calls."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be received or sent."""
        ...

    def receive(self, data: bytearray, size: int, /) -> list[tuple[int, Any]]:
        """Take received bytes; return what happened, as pairs of an event and its call (None where it has none).

        Raises:
            Http2Error: The connection cannot go on; what `to_send` returns says why to the other side.
        """
        ...

    def to_send(self) -> bytes:
        """Return bytes to send, some 64 KiB at most; none where there is nothing to send now.

        Raises:
            Http2Error: The connection cannot go on.
        """
        ...

    def is_open(self, call: Http2Call, /) -> bool:
        """Return whether a call can be answered."""
        ...

    def answer(self, call: Http2Call, message: bytes, headers: Headers, trailers: Headers, /) -> None:
        """Answer a call with a message."""
        ...

    def refuse(self, call: Http2Call, headers: Headers, /) -> None:
        """Answer a call with headers alone, whether or not its message has come completely."""
        ...

    def reset(self, call: Http2Call, error: int, /) -> None:
        """End a call without an answer."""
        ...

    def go_away(self, error: int, why: bytes, /) -> None:
        """Accept no more calls; those in progress go on."""
        ...

    def ping(self) -> None:
        """Ask whether the other side is there: the event `PONG` says so."""
        ...


class Http2Events(Protocol):
    """The numbers of events."""

    BEGUN: int
    """A call, with all of its headers."""
    COMPLETE: int
    TOO_LARGE: int
    RESET: int
    """The other side cancelled a call."""
    READY: int
    """The first settings of the other side."""
    PINGED: int
    PONG: int
    """The answer to our own ping."""
