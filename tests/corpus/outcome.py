"""The outcome of a case: the spans and metrics that left, without what differs from run to run."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_fe.model.span import Span

_READABLE = 1_000
Json = Any
"""A value that json.loads may return."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A case's result. Two outcomes are equal if their JSON is, so 1, 1.0 and true differ."""

    kept: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """By trace id and `tracestate`, the ids of its exported spans: hexadecimal, sorted, as often as they were exported."""
    winners: dict[str, str] = field(default_factory=dict)
    """By trace id, the policy that sampled it."""
    sub_policies: dict[str, str] = field(default_factory=dict)
    """By trace id, the sub-policy of a composite that would have sampled it, whichever policy won."""
    points: list[dict[str, Json]] = field(default_factory=list)
    """The data points of the last cumulative flush, or of all delta flushes; sorted. Cumulative sums say in `first` what their
    series' first point was, in whichever flush."""

    def to_json(self) -> dict[str, Json]:
        """Return it without what is empty."""
        return {key: value for key, value in vars(self).items() if value}

    @classmethod
    def from_json(cls, found: dict[str, Json]) -> Outcome:
        """Return what `to_json` gave."""
        return cls(**found)

    def totals(self) -> dict[str, int]:
        """Return how much was kept, where what was kept is up to chance."""
        spans = sum(len(ids) for states in self.kept.values() for ids in states.values())
        return {"traces": len(self.kept), "spans": spans, "points": len(self.points)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        return _text(self.to_json()) == _text(other.to_json())

    def __hash__(self) -> int:
        return hash(_text(self.to_json()))


def _text(found: Json) -> str:
    return json.dumps(found, sort_keys=True)


@dataclass(frozen=True)
class KeptSpan:
    """A span that left, and what the sampler wrote on it."""

    trace_id: int
    span_id: int
    trace_state: str
    winner: str = ""
    sub_policy: str = ""


def outcome(kept: Iterable[KeptSpan] = (), points: Iterable[dict[str, Json]] = ()) -> Outcome:
    """Return the outcome of these spans and points, in whatever order they came."""
    by_trace: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    winners: dict[str, str] = {}
    sub_policies: dict[str, str] = {}
    for span in kept:
        trace = f"{span.trace_id:032x}"
        by_trace[trace][span.trace_state].append(f"{span.span_id:x}")
        # Late spans carry no winner in the original.
        if span.winner:
            winners[trace] = span.winner
        if span.sub_policy:
            sub_policies[trace] = span.sub_policy
    ordered = {trace: {state: sorted(ids) for state, ids in states.items()} for trace, states in by_trace.items()}
    return Outcome(ordered, winners, sub_policies, sorted(map(_abbreviated, points), key=_text))


def with_first_values(flushes: Sequence[Sequence[dict[str, Json]]]) -> list[dict[str, Json]]:
    """Return the points of the last cumulative flush, each sum with the value of its series' first point."""
    firsts: dict[str, int] = {}
    for flush in flushes:
        for point in flush:
            if "value" in point:
                firsts.setdefault(_series(point), point["value"])
    last = flushes[-1] if flushes else []
    return [{**point, "first": firsts[_series(point)]} if "value" in point else point for point in last]


def _series(point: dict[str, Json]) -> str:
    return _text({key: value for key, value in point.items() if key != "value"})


def _abbreviated(found: Json) -> Json:
    """Return JSON in which long strings are replaced by their length and hash."""
    if isinstance(found, dict):
        return {key: _abbreviated(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_abbreviated(value) for value in found]
    if isinstance(found, str) and len(found) > _READABLE:
        return f"{len(found)} characters, {hashlib.blake2b(found.encode(), digest_size=8).hexdigest()}"
    return found


def keeps(spans: Sequence[Span], winner: str, trace_state: str = "ot=th:0") -> Outcome:
    """Return the outcome that exactly these spans are kept."""
    return outcome(KeptSpan(span.trace_id, span.span_id, trace_state, winner) for span in spans)


NOTHING = Outcome()
"""Every trace was let go."""
