"""Small requests that come shortly after each other are processed together.

A request costs about as much as fifty spans, whatever is in it: between two of them other work has filled the processor's caches.
Written one after the other, requests of OTLP are one request, so that a fleet of small senders costs as little as one large one.
Only requests that have been checked wait here, and only where an acknowledgement promises no more than memory holds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from otel_fe.clock import FAR_NS

_SMALL_BYTES: Final = 64 << 10
_MOST_BYTES: Final = 128 << 10
"""That are gathered. With the last request there are fewer messages in them than any decoder refuses."""
_WAIT_NS: Final = 20_000_000
"""For others. A request that comes longer after the one before does not wait: it would cost a wake-up of its own."""
_PATIENCE_NS: Final = 50_000_000
"""Where no other comes any more: mostly one does, and a thread that wakes for nothing costs as much as a request."""


class Gathered(NamedTuple):
    """Requests that one receiver took, as one."""

    receiver: str
    payload: bytes
    spans: int


class GatheredRequests:
    """The requests that wait for others. Not thread-safe: the graph holds its lock."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[bytes]] = {}
        """Keyed by receiver."""
        self._spans: dict[str, int] = {}
        self._bytes = 0
        self._since_ns = 0
        self._last_ns = -_WAIT_NS

    @property
    def due_ns(self) -> int:
        """When they are to be processed, should no other request come; far away where none waits."""
        return self._since_ns + _PATIENCE_NS if self._waiting else FAR_NS

    def add(self, receiver: str, payload: bytes, spans: int, now_ns: int) -> bool:
        """Add a request; return whether it can wait for others, or else what waits is to be processed now."""
        alone = now_ns - self._last_ns >= _WAIT_NS
        self._last_ns = now_ns
        if not self._waiting:
            self._since_ns = now_ns
        self._waiting.setdefault(receiver, []).append(payload)
        self._spans[receiver] = self._spans.get(receiver, 0) + spans
        self._bytes += len(payload)
        return not alone and self._bytes < _MOST_BYTES and now_ns - self._since_ns < _WAIT_NS

    def take(self) -> list[Gathered]:
        """Remove and return all that waits, as one request for each receiver."""
        if not self._waiting:
            return []
        found = [
            Gathered(receiver, b"".join(payloads), self._spans[receiver])
            for receiver, payloads in self._waiting.items()
        ]
        self._waiting, self._spans, self._bytes = {}, {}, 0
        return found


def is_small(payload: bytes) -> bool:
    """Return whether a request may wait for others."""
    return len(payload) <= _SMALL_BYTES
