"""The decision on a trace, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from otel_fe.model import probability

ERROR: Final = "error"
SLOW: Final = "slow"
SLO: Final = "slo"
BASELINE: Final = "baseline"
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one trace."""

    sampled: bool
    reason: str
    """The policy that won, or `none`."""
    threshold: int | None
    """The sampling threshold that the trace passed, of 2**56; 0 where every trace like it is kept; None where the probability
    is not known."""
    dropped: bool = False
    """A policy dropped it, rather than none sampling it."""
    early: bool = False
    """The trace was kept before its wait was over: spans that follow within the wait are not late."""

    @property
    def weight(self) -> float | None:
        """The number of traces that it represents; 0 if it is not sampled, None if that is unknown."""
        if not self.sampled:
            return 0.0
        return None if self.threshold is None else probability.adjusted_count(self.threshold)


NOT_SAMPLED: Final = Decision(sampled=False, reason=NONE, threshold=probability.NEVER)
