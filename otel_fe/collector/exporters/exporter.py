"""The interface of an exporter to the rest of the collector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.collector.exporters.payload import Payload


@dataclass(frozen=True, slots=True)
class ExporterCounts:
    """The counters of an exporter since its start, in items, and the size of its queue."""

    sent: int = 0
    """Items of requests that the backend took; those it rejected of them are counted here too."""
    rejected: int = 0
    """Sent items that the backend did not take (`partial_success`)."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """Items by reason."""
    stored: int = 0
    """Items left on disk at the shutdown."""
    recovered: int = 0
    """Items found on disk at the start."""
    failed_tries: int = 0
    """Tries that failed, in requests."""
    waiting: int = 0
    """Payloads in the queue, or being sent."""
    queue_size: int = 0
    """The same payloads, in the unit of `sending_queue::sizer`."""
    queue_capacity: int = 0
    """`sending_queue::queue_size`, of all signals together."""


class Exporter(Protocol):
    """Accepts payloads, and delivers each or settles it with the reason for its loss."""

    def start(self) -> None:
        """Start, and continue with the payloads that an earlier process left on disk. It does not wait for the backend.

        Raises:
            ConfigurationError: A file that the configuration names cannot be used.
            StorageError: The queue on disk cannot be opened, or belongs to another process.
        """
        ...

    def accept(self, payload: Payload) -> str:
        """Accept a payload and return an empty reason; or return the reason for refusing it, and settle nothing.

        With a queue it does not wait for the backend, unless `block_on_overflow` is set; with one on disk it waits for
        the disk: an accepted payload is there. Without a queue it waits for the backend's answer to one try; where the
        backend refuses the payload for good, that is settled. Safe to call from any thread, as all of these are.
        """
        ...

    def enqueue(self, payload: Payload) -> str:
        """Do the same without waiting for the backend; without a queue, a few payloads wait in memory."""
        ...

    def offer(self, payload: Payload) -> bool:
        """Enqueue a payload, or settle it with the reason why not and return False."""
        ...

    def settle(self, payload: Payload, reason: str) -> None:
        """Settle a payload that was not taken."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Send what waits without waiting for fuller batches; whether all was settled in time."""
        ...

    def shutdown(self, timeout_s: float) -> None:
        """Stop accepting, try queued payloads once more, and settle the rest in time. A second call does nothing."""
        ...

    def counts(self) -> ExporterCounts:
        """Return what has been counted so far."""
        ...
