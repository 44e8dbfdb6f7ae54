"""The counters of an exporter, and its callback for settled payloads."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_fe.collector.exporters.payload import Payload, Settled

_log = logging.getLogger("otel_fe")


@dataclass(slots=True)
class Tallies:
    """The counters of one exporter, over all its queues."""

    settled: Settled
    """Callback of the exporter's owner."""
    items: Counter[str] = field(default_factory=Counter)
    """By reason; by the empty one, those sent."""
    rejected: int = 0
    failed_tries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Guards the counts, not the callback."""

    def settle(self, payload: Payload, reason: str) -> None:
        """Count a payload, and notify its owner."""
        with self.lock:
            self.items[reason] += payload.items
        try:
            self.settled(payload, reason)
        except Exception:
            # It is the collector's own code; but the thread that everything waits for does not end of it.
            _log.exception("an exporter's owner failed to take note of a settled payload")

    def rejected_of_sent(self, items: int) -> None:
        """Count items that a backend did not take of a request that it took."""
        with self.lock:
            self.rejected += items

    def failed_try(self) -> None:
        """Count a try that failed."""
        with self.lock:
            self.failed_tries += 1
