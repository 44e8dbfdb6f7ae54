"""What became of a trace, and why."""

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
    threshold: int
    """The sampling threshold that the trace passed, of 2**56; 0 where every trace like it is kept."""

    @property
    def weight(self) -> float:
        """How many traces it stands for; 0 if it is not sampled."""
        return probability.adjusted_count(self.threshold) if self.sampled else 0.0


NOT_SAMPLED: Final = Decision(sampled=False, reason=NONE, threshold=probability.NEVER)
