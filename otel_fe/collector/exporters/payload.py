"""What is exported, and the names of the reasons for which it can fail to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SENT: Final = ""
"""The backend has taken it."""
STORED: Final = "stored"
"""It lies on disk for the next start: neither sent nor lost."""
QUEUE_FULL: Final = "queue_full"
"""There was no room in the sending queue."""
STORAGE_FULL: Final = "storage_full"
"""The queue on disk could not take it: the disk is full or fails."""
STORAGE_CORRUPT: Final = "storage_corrupt"
"""It was on disk and came back damaged."""
EXPORT_FAILED: Final = "export_failed"
"""The backend refused it, in a way that no other try would change."""
MALFORMED: Final = "malformed"
"""The backend refused the item alone, as malformed or too large; or it came from an earlier version, and no backend can read it."""
RETRY_EXHAUSTED: Final = "retry_exhausted"
"""It was tried for as long as `retry_on_failure` allows."""
UNREACHABLE: Final = "unreachable"
"""Without a sending queue: the backend was unavailable, and the sender received a retryable error."""
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
    """Whatever its owner wants back with it. It is not kept on disk: after a restart it is None."""


Settled = Callable[[Payload, str], None]
"""Called once for each payload, with the reason, on whatever thread learns of it; it must not block.

A payload that `batch::max_size` has split is settled in its parts: each with its own items, all with the same tally.
"""
