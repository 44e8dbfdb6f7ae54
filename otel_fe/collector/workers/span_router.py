"""Hands spans to the worker that decides their trace, in batches, in the background."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from otel_fe.collector.refusals import PressureError
from otel_fe.collector.workers.frames import frame
from otel_fe.collector.workers.peer_sender import PeerSender
from otel_fe.wire.handed import hand_over

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from otel_fe.wire.batch import Batch

_MOST_BYTES: Final = 32 << 20
"""The bound of the queue to one worker; beyond it, senders have to retry later."""


class SpanRouter:
    """Partitions spans over all workers. Thread-safe.

    Args:
        index: Of this worker.
        sockets: Of all of them, by index.
    """

    def __init__(self, index: int, sockets: Sequence[Path]) -> None:
        self._index = index
        self._links = [
            None if place == index else PeerSender(f"worker {place}", path) for place, path in enumerate(sockets)
        ]

    def check(self) -> None:
        """Refuse new spans while too much waits for another worker.

        Raises:
            PressureError: Too much waits for another worker.
        """
        for link in self._links:
            if link is not None and link.waiting_bytes > _MOST_BYTES:
                raise PressureError("worker", f"{link.name} does not keep up, or is restarting")

    def own(self, receiver: str, batch: Batch) -> Batch:
        """Hand over what is other workers', and return the rest."""
        for worker, link in enumerate(self._links):
            if link is None:
                continue
            payload, spans = hand_over(batch, worker, len(self._links))
            if spans:
                link.put(frame(receiver, payload), spans)
        return batch

    @property
    def sent(self) -> int:
        """Spans that were handed over."""
        return sum(link.sent for link in self._links if link is not None)

    @property
    def lost(self) -> int:
        """Spans that could not be handed over."""
        return sum(link.lost for link in self._links if link is not None)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is handed over; return whether it was, in time."""
        deadline_s = time.monotonic() + timeout_s
        links = [link for link in self._links if link is not None]
        flushed = [link.flush(deadline_s) for link in links]
        return all(flushed)

    def close(self) -> None:
        """End the connections."""
        for link in self._links:
            if link is not None:
                link.close()
