"""The gaps between an extraction's calls, and what was measured in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.model.intervals import uncovered
from otel_fe.model.span import OUTGOING_KINDS
from otel_fe.semconv import (
    CAUSE_CPU,
    CAUSE_DISK,
    CAUSE_IMPORT,
    CAUSE_LOCK,
    CAUSE_NATIVE_THREADS,
    CAUSE_PAGE_FAULTS,
    CAUSE_SLEEP,
    CAUSE_SUBPROCESS,
    CAUSE_UNEXPLAINED,
    TIME,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from otel_fe.store.decoded_trace import DecodedTrace, SpanNode

_OUTSIDE_OF_CALLS: Final = (
    CAUSE_LOCK,
    CAUSE_SLEEP,
    CAUSE_CPU,
    CAUSE_IMPORT,
    CAUSE_DISK,
    CAUSE_SUBPROCESS,
    CAUSE_NATIVE_THREADS,
    CAUSE_PAGE_FAULTS,
    CAUSE_UNEXPLAINED,
)
"""Causes that time is attributed to only outside of calls (`attribution._PRECEDENCE`): all of it lies in gaps."""
_WORTH: Final = 0.01
_MOST_GAPS: Final = 60
_MOST_TOLD: Final = 4
_LAST_FIELD: Final = 5
_US_NS: Final = 1_000
_MOST_US: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class MeasuredPart:
    """Time that was measured."""

    cause: str
    time_ns: int
    line: str
    """`file:line function`; empty where none was seen."""


@dataclass(frozen=True, slots=True)
class CallGap:
    """Time in which an extraction made no call."""

    x: float
    """Position in per cent of the trace, like the width."""
    width: float
    start_ns: int
    """After the extraction's start."""
    length_ns: int
    parts: tuple[MeasuredPart, ...]
    """The most first; together at most the length. Empty where nothing was measured in this gap."""


@dataclass(frozen=True, slots=True)
class OwnTime:
    """All gaps of an extraction."""

    total_ns: int
    gaps: tuple[CallGap, ...]
    """Gaps that are worth a mark, in order."""
    parts: tuple[MeasuredPart, ...]
    """The causes measured in all gaps together, if it is unknown in which; the largest first."""

    @property
    def told(self) -> tuple[CallGap, ...]:
        """The longest gaps in which something was measured, in order."""
        measured = sorted((gap for gap in self.gaps if gap.parts), key=lambda gap: -gap.length_ns)
        return tuple(sorted(measured[:_MOST_TOLD], key=lambda gap: gap.start_ns))


def own_time(
    node: SpanNode, trace: DecodedTrace, split: Mapping[str, int], between_calls: Sequence[str]
) -> OwnTime | None:
    """Return an extraction's gaps; None where it made no calls, so that all of it is one, or has none worth a mark.

    Args:
        node: The extraction.
        trace: That it belongs to.
        split: Where its time went (ns by cause).
        between_calls: The attribute `feature_extraction.stacks.between_calls`.
    """
    calls = [(below.start_ns, below.end_ns) for below in trace.below(node) if below.span.kind in OUTGOING_KINDS]
    if not calls:
        return None
    spans = list(uncovered(calls, node.start_ns, node.end_ns))
    total = sum(end - start for start, end in spans)
    if total < _WORTH * node.duration_ns or not total:
        return None
    worth = sorted(spans, key=lambda gap: gap[0] - gap[1])[:_MOST_GAPS]
    worth = sorted(gap for gap in worth if gap[1] - gap[0] >= _WORTH * node.duration_ns)
    placed = _placed(worth, _told(between_calls, node.start_ns))
    length = max(1, trace.end_ns - trace.begin_ns)
    gaps = tuple(
        CallGap(
            round((start - trace.begin_ns) / length * 100, 3),
            round((end - start) / length * 100, 3),
            start - node.start_ns,
            end - start,
            placed.get(number, ()),
        )
        for number, (start, end) in enumerate(worth)
    )
    return OwnTime(total, gaps, () if placed else _of_all(split, total))


def _told(lines: Iterable[str], start_ns: int) -> Iterator[tuple[int, int, MeasuredPart]]:
    """Yield start, end (Unix time) and what was measured in between; lines that are none are left out."""
    for line in lines:
        fields = line.split(" ", 4)
        if len(fields) < _LAST_FIELD - 1 or fields[2] not in TIME:
            continue
        numbers = (fields[0], fields[1], fields[3])
        if all(text.isascii() and text.isdecimal() and int(text) <= _MOST_US for text in numbers):
            offset, length, took = (int(text) * _US_NS for text in numbers)
            part = MeasuredPart(fields[2], took, fields[4] if len(fields) == _LAST_FIELD else "")
            yield start_ns + offset, start_ns + offset + length, part


def _placed(
    gaps: Sequence[tuple[int, int]], told: Iterable[tuple[int, int, MeasuredPart]]
) -> dict[int, tuple[MeasuredPart, ...]]:
    """Return the parts by the number of their gap: the one that most of the time they were measured in lies in."""
    found: dict[int, dict[tuple[str, str], int]] = {}
    for start, end, part in told:
        shared = [(min(end, last) - max(start, first), number) for number, (first, last) in enumerate(gaps)]
        most, number = max(shared, default=(0, 0))
        if 2 * most >= end - start > 0:
            parts = found.setdefault(number, {})
            key = (part.cause, part.line)
            parts[key] = parts.get(key, 0) + part.time_ns
    return {
        number: _at_most(
            gaps[number][1] - gaps[number][0], (MeasuredPart(c, ns, line) for (c, line), ns in parts.items())
        )
        for number, parts in found.items()
    }


def _of_all(split: Mapping[str, int], total_ns: int) -> tuple[MeasuredPart, ...]:
    return _at_most(total_ns, (MeasuredPart(cause, split.get(cause, 0), "") for cause in _OUTSIDE_OF_CALLS))


def _at_most(limit_ns: int, parts: Iterable[MeasuredPart]) -> tuple[MeasuredPart, ...]:
    """Return parts, the most first, cut where clocks that differ would make them more than there is time."""
    kept, left = [], limit_ns
    for part in sorted(parts, key=lambda one: -one.time_ns):
        if left > 0 and part.time_ns > 0:
            kept.append(MeasuredPart(part.cause, min(left, part.time_ns), part.line))
            left -= part.time_ns
    return tuple(kept)
