"""Decision records of local traces, in a process that decides by the default policy."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from otel_fe.model import decision as reasons
from otel_fe.model import probability
from otel_fe.pipeline.records import DecisionRecord, PolicyVote
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.model.decision import Decision
    from otel_fe.pipeline.trace import LocalTrace

_LIMIT: Final = 1_000
_WHOLE: Final = "whole"
_Entry = tuple[int, int, "Decision", int, int, bool, bool, int]


class LocalRecords:
    """A ring of decisions. Values are kept as seen, and formatted on reading.

    Args:
        slow_ns: From what duration on a trace is slow.
        threshold: From what randomness on a healthy trace is kept.
    """

    def __init__(self, slow_ns: int, threshold: int) -> None:
        self._slow_ns = slow_ns
        self._threshold = threshold
        self._ring: deque[_Entry] = deque(maxlen=_LIMIT)

    def add(self, trace: LocalTrace, time_ns: int, decision: Decision) -> None:
        """Record a decision."""
        self._ring.append(
            (
                *(trace.trace_id, time_ns, decision, len(trace.spans), trace.end_ns - trace.start_ns),
                *(trace.error, trace.slo_breached, probability.randomness(trace.trace_id, trace.entry)),
            )
        )

    def of(self, trace_id: int) -> DecisionRecord | None:
        """Return the last decision on a trace; None where it is not, or no longer, known."""
        for entry in reversed(self._ring):
            if entry[0] == trace_id:
                return self._explained(entry)
        return None

    def _explained(self, entry: _Entry) -> DecisionRecord:
        trace_id, time_ns, decision, spans, duration_ns, error, slo, randomness = entry
        slow_ns, threshold = self._slow_ns, self._threshold
        slow, chosen = duration_ns >= slow_ns, randomness >= threshold
        ms, slow_ms = duration_ns / NS_PER_MS, slow_ns / NS_PER_MS
        share = f"randomness {randomness / probability.NEVER:.6f}, sampled from {threshold / probability.NEVER:.6f}"
        votes = (
            _vote(reasons.ERROR, "a span has status ERROR" if error else "no span has status ERROR", sampled=error),
            _vote(reasons.SLOW, f"{ms:.6g} ms {'≥' if slow else '<'} {slow_ms:g} ms", sampled=slow),
            _vote(reasons.SLO, "an SLO is broken" if slo else "no SLO is broken", sampled=slo),
            _vote(reasons.BASELINE, share, sampled=chosen),
        )
        return DecisionRecord(trace_id, time_ns, _WHOLE, decision, spans, duration_ns, votes)


def _vote(policy: str, saw: str, *, sampled: bool) -> PolicyVote:
    return PolicyVote(policy, "sampled" if sampled else "not sampled", saw)
