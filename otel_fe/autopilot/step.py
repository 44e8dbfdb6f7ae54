"""A step of the autopilot, as log events, marks and the history report it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROPOSED: Final = "proposed"
"""The autopilot would try this, in a dry run."""
TRIED: Final = "tried"
KEPT: Final = "kept"
REVERTED: Final = "reverted"
ABANDONED: Final = "abandoned"
"""The application resized the resource during the experiment."""
REFUSED: Final = "refused"
"""A resource cannot be resized."""
RESTORED: Final = "restored"
"""The application's own sizes were restored at the end."""


@dataclass(frozen=True, slots=True)
class ResizeStep:
    """One step."""

    time_ns: int
    """Unix time."""
    resource: str
    kind: str
    """`pools` or `caches`."""
    before: int
    after: int
    """The size that was tried or proposed."""
    outcome: str
    reason: str
    predicted: float | None = None
    """Difference of p95 in ms; of a cache, of its hit rate in points."""
    measured: float | None = None
    low: float | None = None
    """Lower end of the measured difference's 95 % interval."""
    high: float | None = None

    @property
    def unit(self) -> str:
        """Of the differences: `ms` or `points`."""
        return "points" if self.kind == "caches" else "ms"

    def __str__(self) -> str:
        text = f"autopilot: {self.resource} {self.before} → {self.after}, {self.outcome}: {self.reason}"
        if self.measured is not None and self.predicted is not None:
            text += f" (predicted {self.predicted:+.3g} {self.unit}, measured {self.measured:+.3g})"
        elif self.predicted is not None:
            text += f" (predicted {self.predicted:+.3g} {self.unit})"
        return text
