"""The pipeline's own counters.

Every span received is in exactly one of: pending (its trace is open), queued (kept, on its way to a backend), sampled (sent),
not sampled, or dropped for a named reason.
"""

from __future__ import annotations

from _thread import RLock
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Counters:
    """Counts since the start. Updated once a trace, under `lock`, so that no count is lost and the sums agree."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.received = 0
        """Without those pending."""
        self.not_sampled = 0
        self.late = 0
        """Spans that came after the decision wait of their trace."""
        self.late_errors = 0
        """Those of them that have the status ERROR, and were lost: their trace was not kept."""
        self.queued = 0
        self.sampled: Counter[str] = Counter()
        """Spans sent, by the policy that keeps their trace."""
        self.dropped: Counter[str] = Counter()
        """Spans of kept traces that were lost, by the bound or failure that lost them."""
        self.traces: Counter[str] = Counter()
        """Traces that are kept, by winning policy."""
        self.traces_not_sampled = 0
        self.evicted: Counter[str] = Counter()
        """Traces decided before their wait was over, by the bound that forced it."""

    def kept(self, spans: int, lost: str) -> None:
        """Count the spans of a trace that is kept: queued, or lost for a reason."""
        with self.lock:
            if lost:
                self.dropped[lost] += spans
            else:
                self.queued += spans

    def reject(self, spans: Mapping[str, int]) -> None:
        """Count spans, by reason, that were acknowledged, here or in an earlier process, and cannot be used."""
        with self.lock:
            self.received += sum(spans.values())
            self.dropped.update(spans)

    def withdraw(self, spans: int) -> None:
        """Count spans no longer that were to be queued, and that their sender keeps after all."""
        with self.lock:
            self.received -= spans
            self.queued -= spans

    def settle(self, reasons: Counter[str], lost: str) -> None:
        """Move spans from queued to sampled, by the policy that kept them, or to lost for a reason."""
        with self.lock:
            spans = sum(reasons.values())
            self.queued -= spans
            if lost:
                self.dropped[lost] += spans
            else:
                self.sampled.update(reasons)
