"""Why each feature set of the demo is slow: the cause that costs its slow extractions most, and the line of code."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_fe import semconv
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.causes import Explained, line_of, rank
from otel_fe.pipeline.explanation import explain, spent_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_fe.demo.received import ReceivedSpan


@dataclass(frozen=True, slots=True)
class SlowFeatureSet:
    """A feature set with slow extractions, and what they are slow for."""

    feature_set: str
    slow: int
    """Number of slow extractions."""
    mean_ms: float
    """Mean duration of the slow extractions."""
    cause: str
    share: float
    """Share of the slow extractions' time that would not have passed without the cause, 0..1."""
    cause_ms: float
    """That time, in the mean slow one."""
    line: str
    """`file:line function` where most of that time went; empty where unknown."""
    sentence: str
    """All of it in words."""


def slow_feature_sets(extractions: Iterable[ReceivedSpan]) -> list[SlowFeatureSet]:
    """Return the feature sets that have slow extractions, the one that lost most time first."""
    slow: dict[str, list[Explained]] = defaultdict(list)
    hits: dict[str, list[Explained]] = defaultdict(list)
    for span in extractions:
        name = str(span.attributes.get(semconv.FEATURE_SET, ""))
        if semconv.BOTTLENECK in span.attributes:
            slow[name].append(_explained(span))
        elif span.attributes.get(semconv.CACHE_HIT):
            hits[name].append(Explained(span.end_ns - span.start_ns, {}, hit=True))
    found = [_slow_feature_set(name, group, hits[name]) for name, group in slow.items()]
    return sorted(found, key=lambda one: -one.mean_ms * one.slow)


def _slow_feature_set(name: str, slow: list[Explained], hits: list[Explained]) -> SlowFeatureSet:
    ranked = rank(slow, hits=hits).ranked
    first = ranked[0]
    total_ms = sum(one.duration_ns for one in slow) / 1e6
    # A miss has no line; the work that it causes has.
    found = line_of(spent_in(ranked).cause, slow)
    line = "" if found is None else found[0]
    return SlowFeatureSet(
        name,
        len(slow),
        total_ms / len(slow),
        first.cause,
        first.cost_share,
        first.cost_share * total_ms / len(slow),
        line,
        str(explain(name, None, ranked, lines={spent_in(ranked).cause: line}, slow=len(slow))),
    )


def _explained(span: ReceivedSpan) -> Explained:
    attributes = span.attributes
    line = attributes.get(semconv.HOTSPOT)
    return Explained(
        span.end_ns - span.start_ns,
        recorded_split(attributes),
        missed=attributes.get(semconv.CACHE_HIT) is False,
        hotspot=None if line is None else (str(line), int(attributes.get(semconv.HOTSPOT_TIME, 0) * 1e9)),
        bottleneck=str(attributes[semconv.BOTTLENECK]),
    )


def recorded_split(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return an extraction's time in ns by cause, from its span; empty where the span does not have it."""
    times = {cause: attributes.get(semconv.TIME[cause]) for cause in CAUSES}
    return {cause: round(seconds * 1e9) for cause, seconds in times.items() if seconds}
