"""Explains in one sentence why a group of extractions is slow, for pages, alerts, `otel-fe explain` and the demo alike.

transaction_history: p95 56 ms, 81 % of slow time because of cache misses, 74 % in SELECT … transactions
(features.py:86 transaction_history)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_fe.formatting import milliseconds
from otel_fe.pipeline.causes import COMPUTED
from otel_fe.semconv import (
    CAUSE_CACHE_MISS,
    CAUSE_CPU,
    CAUSE_CPU_THROTTLED,
    CAUSE_CPU_WAIT,
    CAUSE_DISK,
    CAUSE_DOWNSTREAM,
    CAUSE_EVENT_LOOP,
    CAUSE_GC,
    CAUSE_GIL,
    CAUSE_GPU,
    CAUSE_IMPORT,
    CAUSE_LOCK,
    CAUSE_NATIVE_THREADS,
    CAUSE_PAGE_FAULTS,
    CAUSE_POOL_WAIT,
    CAUSE_SLEEP,
    CAUSE_SUBPROCESS,
    CAUSE_UNEXPLAINED,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.pipeline.causes import Cause

CAUSE_PHRASES: Final[Mapping[str, str]] = {
    CAUSE_CACHE_MISS: "because of cache misses",
    CAUSE_POOL_WAIT: "waiting for a pool connection",
    CAUSE_CPU: "computing on the CPU",
    CAUSE_GPU: "on the GPU",
    CAUSE_DOWNSTREAM: "in calls to other services",
    CAUSE_GC: "in garbage collection",
    CAUSE_GIL: "waiting for the GIL",
    CAUSE_CPU_THROTTLED: "throttled by the CPU quota",
    CAUSE_CPU_WAIT: "waiting for a CPU core",
    CAUSE_PAGE_FAULTS: "in page faults",
    CAUSE_DISK: "reading or writing files",
    CAUSE_LOCK: "waiting for a lock",
    CAUSE_SLEEP: "sleeping",
    CAUSE_IMPORT: "importing modules",
    CAUSE_SUBPROCESS: "waiting for a subprocess",
    CAUSE_NATIVE_THREADS: "waiting for native threads",
    CAUSE_EVENT_LOOP: "waiting for the event loop",
    CAUSE_UNEXPLAINED: "in nothing that was measured",
}
"""Keyed by cause: the end of "81 % of slow time …"."""
_WORTH: Final = 0.05
"""Of the time: what takes less is not worth a clause."""
_MORE: Final = 0.01
"""Of the time: misses that cost less than this beyond their look-ups made the extraction compute nothing."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reason for which a group of extractions is slow."""

    subject: str
    """The feature set, or what else the group is."""
    p95_ns: float | None
    """None where it is not known."""
    cause: str = ""
    """The cause that costs most; empty if unknown."""
    share: float = 0.0
    """0..1 of the slow time that would not have passed without the cause."""
    spent_in: str = ""
    """The cause that most of that time was: `cause` itself, except for cache misses, which make the extraction compute or fetch."""
    spent_share: float = 0.0
    """0..1 of the slow time that `spent_in` took."""
    call: str = ""
    """The call, where `spent_in` is one: `SELECT … transactions`; empty where unknown."""
    line: str = ""
    """`file:line function` where most of `spent_in` passed; empty where unknown."""
    of_slow: bool = True
    """Whether shares are of the time of slow extractions; else of all kept ones."""
    slow: int | None = None
    """The number of slow extractions; None if unknown."""
    others: Sequence[Cause] = field(default_factory=tuple)
    """The causes ranked after `cause`, the most expensive first."""

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self) -> str:
        """Return all of it as one sentence, without a full stop."""
        return f"{self.subject or '(none)'}: {self.after_subject()}"

    def after_subject(self) -> str:
        """Return the sentence without its subject, for where that is a heading or a link."""
        figures = [] if self.p95_ns is None else [f"p95 {milliseconds(self.p95_ns)}"]
        return ", ".join([*figures, self.reason()])

    def reason(self) -> str:
        """Return why, without what: `81 % of slow time in SELECT … transactions (features.py:86 transaction_history)`."""
        if not self.cause:
            return "no kept trace says why" if self.slow else "nothing is slow"
        whose = "slow time" if self.of_slow else "the time"
        words = f"{_percent(self.share)} of {whose} {self._phrase(self.cause)}"
        if self.spent_in != self.cause:
            words += f", {_percent(self.spent_share)} {self._phrase(self.spent_in)}"
        return f"{words} ({self.line})" if self.line else words

    def _phrase(self, cause: str) -> str:
        if cause == CAUSE_DOWNSTREAM and self.call:
            return f"in {self.call}"
        return CAUSE_PHRASES.get(cause, f"in {cause}")


def explain(
    subject: str,
    p95_ns: float | None,
    ranked: Sequence[Cause],
    *,
    lines: Mapping[str, str] | None = None,
    call: str = "",
    of_slow: bool = True,
    slow: int | None = None,
) -> Explanation:
    """Return why a group is slow.

    Args:
        subject: The feature set, or what else the group is.
        p95_ns: Its 95th percentile.
        ranked: Its causes as `causes.rank` has them.
        lines: By cause, the line of code that took most of it, where known.
        call: What its calls to other services mostly are, where known.
        of_slow: Whether the causes are those of slow extractions; else of all kept ones.
        slow: How many were slow.
    """
    if not ranked:
        return Explanation(subject, p95_ns, of_slow=of_slow, slow=slow)
    first = ranked[0]
    spent = spent_in(ranked)
    return Explanation(
        subject,
        p95_ns,
        first.cause,
        first.cost_share,
        spent.cause,
        spent.share,
        call,
        (lines or {}).get(spent.cause, ""),
        of_slow,
        slow,
        tuple(ranked[1:]),
    )


def spent_in(ranked: Sequence[Cause]) -> Cause:
    """Return the cause whose line of code and calls explain the first of `ranked`: mostly itself.

    A cache miss alone costs little: the computation or fetch that it causes does, and that has a line.
    """
    first = ranked[0]
    if first.cause == CAUSE_CACHE_MISS and first.cost_share > first.share + _MORE:
        computed = [one for one in ranked[1:] if one.cause in COMPUTED and one.share >= max(_WORTH, first.share)]
        return max(computed, key=lambda one: one.share, default=first)
    return first


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.0f} %"
