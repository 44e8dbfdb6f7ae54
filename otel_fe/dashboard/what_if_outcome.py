"""The answer to a what-if question: before and after, the calculation, its assumptions, and its confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import formatting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.forecast.prediction import Prediction
    from otel_fe.store.observed import ObservedSample

TIMES: Final = "\u00d7"
"""The multiplication sign."""
HIGH: Final = "high"
MEDIUM: Final = "medium"
LOW: Final = "low"
_ORDER: Final = (LOW, MEDIUM, HIGH)
_MANY: Final = (200, 1_000)
_CLOSE: Final = (0.25, 0.1)


@dataclass(frozen=True, slots=True)
class WhatIfOutcome:
    """One answer."""

    asked: str
    """In words, with what there is now."""
    now: Prediction
    then: Prediction
    arithmetic: tuple[str, ...]
    assumptions: tuple[str, ...]
    """The conditions under which it would be wrong."""
    confidence: str
    """`high`, `medium` or `low`."""
    because: tuple[str, ...]
    """Reasons for the confidence."""


def weakest(confidences: Iterable[str]) -> str:
    """Return the least of several confidences."""
    return min(confidences, key=_ORDER.index)


def graded(value: float, medium: float, high: float) -> str:
    """Return the confidence of a value that is the better the larger it is, by two bounds."""
    return HIGH if value >= high else MEDIUM if value >= medium else LOW


def of_the_sample(sample: ObservedSample, now: Prediction, counted_p95_ns: float | None) -> tuple[str, tuple[str, ...]]:
    """Return how well kept extractions represent all, and why.

    Args:
        sample: The kept ones.
        now: What they take by weight.
        counted_p95_ns: p95 of all extractions by exact counts; None where they were not counted.
    """
    count = len(sample.group)
    said = [f"{formatting.count(count, 'kept extractions')}{_newest(sample)}"]
    found = [graded(count, *_MANY)]
    if counted_p95_ns:
        apart = abs(now.quantile_ns / counted_p95_ns - 1)
        found.append(graded(-apart, -_CLOSE[0], -_CLOSE[1]))
        said.append(
            f"by their weights p95 is {formatting.milliseconds(now.quantile_ns)}, by exact counts of all extractions "
            f"{formatting.milliseconds(counted_p95_ns)}"
        )
    else:
        found.append(MEDIUM)
        said.append("nothing was counted in this window to compare their p95 with")
    if sample.unknown:
        said.append(f"{formatting.count(sample.unknown)} left out: their weight is not known")
    return weakest(found), tuple(said)


def _newest(sample: ObservedSample) -> str:
    read = len(sample.group) + sample.unknown
    return f", the newest of {formatting.count(sample.total)} in this window" if read < sample.total else ""
