"""The application's lines that slow extractions spent most of their time in."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.profiles.stacks import Frame, SlowExtraction


@dataclass(frozen=True, slots=True)
class Hotspot:
    """A line of code, and the time that slow extractions spent in it."""

    frame: Frame
    cause: str
    """The cause with most of the time."""
    mean_ns: float
    """The time in the mean slow extraction."""
    causes: tuple[tuple[str, float], ...]
    """The same by cause, the most first."""


def hotspots(extractions: Iterable[SlowExtraction], most: int = 10) -> tuple[Hotspot, ...]:
    """Return the lines that took most, in the mean of the extractions by weight."""
    found: dict[Frame, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    weight = 0.0
    for extraction in extractions:
        weight += extraction.weight
        for line in extraction.lines:
            found[line.frames[0]][line.cause] += line.time_ns * extraction.weight
    ranked = [_hotspot(frame, {cause: ns / weight for cause, ns in causes.items()}) for frame, causes in found.items()]
    return tuple(sorted(ranked, key=lambda one: (-one.mean_ns, one.frame))[:most])


def line_by_cause(extractions: Iterable[SlowExtraction]) -> dict[str, str]:
    """Return, by cause, the line that took most of it, as `file:line function`; only causes that have one."""
    most: dict[str, tuple[float, Frame]] = {}
    for one in hotspots(extractions, sys.maxsize):
        for cause, ns in one.causes:
            most[cause] = max(most.get(cause, (0.0, one.frame)), (ns, one.frame))
    return {cause: str(frame) for cause, (_, frame) in most.items()}


def _hotspot(frame: Frame, by_cause: dict[str, float]) -> Hotspot:
    causes = tuple(sorted(by_cause.items(), key=lambda one: -one[1]))
    return Hotspot(frame, causes[0][0], sum(by_cause.values()), causes)
