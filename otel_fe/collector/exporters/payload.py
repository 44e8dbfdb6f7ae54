"""Payloads to be exported, the reasons for which one can be lost, and the entry of one in a queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

SENT: Final = ""
"""The backend has taken it."""
STORED: Final = "stored"
"""The payload lies on disk for the next start: neither sent nor lost."""
QUEUE_FULL: Final = "queue_full"
"""The sending queue had no room."""
STORAGE_FULL: Final = "storage_full"
"""The queue on disk could not take it: the disk is full or fails."""
STORAGE_CORRUPT: Final = "storage_corrupt"
"""The payload was on disk and came back damaged."""
EXPORT_FAILED: Final = "export_failed"
"""The backend refused it for good: another try would not help."""
MALFORMED: Final = "malformed"
"""The backend refused the item alone, as malformed or too large; or it came from an earlier version, and no backend can read it."""
RETRY_EXHAUSTED: Final = "retry_exhausted"
"""The payload was tried for as long as `retry_on_failure` allows."""
UNREACHABLE: Final = "unreachable"
"""The backend was unavailable, the exporter has no sending queue, and the sender received a retryable error."""
SHUTDOWN: Final = "shutdown"
"""The exporter was shut down before it was sent."""
LOSSES: Final = (
    QUEUE_FULL,
    STORAGE_FULL,
    STORAGE_CORRUPT,
    EXPORT_FAILED,
    MALFORMED,
    RETRY_EXHAUSTED,
    UNREACHABLE,
    SHUTDOWN,
)
"""The reasons that are losses."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A request to export, as bytes; the unit of work of an exporter."""

    signal: str
    """`traces`, `metrics` or `logs`."""
    data: bytes
    """A serialized `Export…ServiceRequest`; empty in what is settled as `stored` or `storage_corrupt`."""
    items: int
    """Spans, data points or log records in it."""
    tally: object = None
    """The owner's own value, returned with it. It is not stored on disk: after a restart it is None."""


Settled = Callable[[Payload, str], None]
"""Called once for each payload, with the reason, on the thread that learns the outcome; it must not block.

A payload that `batch::max_size` has split is settled in its parts: each with its own items, all with the same tally.
"""


@dataclass(slots=True, eq=False)
class QueueEntry:
    """An accepted payload."""

    payload: Payload
    """The payload, without its data where that is on disk."""
    size: int
    """Size in the unit of the queue's sizer."""
    key: int = 0
    """Key of the data on disk; 0 in memory."""
    size_bytes: int = 0
    open_parts: int = 1
    """Parts that are not settled, of those that a batch was split into."""
    open_items: int = 0
    """The items in them."""
    recovered: bool = False
    """The payload was accepted by an earlier process, whose version may have validated less."""
    kept: bool = False
    """A part of it has to stay on disk, so the whole payload does."""
    abandoned: bool = False
    """Settled because time was up: its later outcome does not count."""


class Sizer(Protocol):
    """Returns the size of a payload in a queue's unit."""

    def __call__(self, items: int, size_bytes: int) -> int:
        """Return its size."""
        ...


SIZERS: Final[dict[str, Sizer]] = {
    "requests": lambda items, size_bytes: 1,  # noqa: ARG005
    "items": lambda items, size_bytes: items,  # noqa: ARG005
    "bytes": lambda items, size_bytes: size_bytes,  # noqa: ARG005
}
"""Keyed by the name that `sending_queue::sizer` has for them."""
