"""The outcome of a payload's items over the several exporters that it was sent to."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from otel_fe.collector.exporters.payload import SENT

if TYPE_CHECKING:
    from otel_fe.pipeline.counters import Counters


class PayloadOutcome:
    """Adds up what the exporters say about one payload, and counts it once all have.

    It counts as sent where at least one exporter has sent it, since then it can be found; what each exporter sent and lost, it
    counts itself. An exporter may settle a payload in parts.

    Args:
        reasons: Items by the policy that keeps them.
        exporters: How many the payload goes to.
        counters: Where its items are queued.
    """

    __slots__ = ("_counters", "_left", "_lock", "_outcomes", "_reasons", "_total")

    def __init__(self, reasons: Counter[str], exporters: int, counters: Counters) -> None:
        self._reasons = reasons
        self._total = sum(reasons.values())
        self._left = self._total * exporters
        self._outcomes: dict[str, Counter[str]] = {}
        self._counters = counters
        self._lock = threading.Lock()

    def note(self, exporter: str, items: int, reason: str) -> None:
        """Record the outcome of some items at one exporter."""
        with self._lock:
            self._outcomes.setdefault(exporter, Counter())[reason] += items
            self._left -= items
            if self._left > 0:
                return
        self._conclude()

    def _conclude(self) -> None:
        best = max(self._outcomes.values(), key=lambda outcome: outcome[SENT])
        left = self._reasons
        # It is unknown which policy's items an exporter lost of a payload that it split: take them in order.
        for reason, items in sorted(best.items()):
            taken = _take(left, items)
            if taken:
                self._counters.settle(taken, reason)


def _take(reasons: Counter[str], items: int) -> Counter[str]:
    """Remove so many items from `reasons`, and return them."""
    taken: Counter[str] = Counter()
    for reason in list(reasons):
        part = min(reasons[reason], items)
        if part:
            taken[reason] = part
            reasons[reason] -= part
            items -= part
    return taken
