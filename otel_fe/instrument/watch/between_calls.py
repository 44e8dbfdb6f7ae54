"""The causes seen between an extraction's calls and look-ups, by the gaps that a waterfall shows there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.instrument.stack_lines import own_line, shown
from otel_fe.model.intervals import uncovered
from otel_fe.model.measurements import CAUSE_POOL
from otel_fe.semconv import CAUSE_EVENT_LOOP, CAUSE_GIL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_fe.instrument.watch.watched import Segment
    from otel_fe.pipeline.attribution import Interval

BLAMING: Final = (CAUSE_GIL, CAUSE_EVENT_LOOP)
"""Causes whose line is not the extraction's own, but the one that held the interpreter or the loop."""
_MOST_GAPS: Final = 12
_MOST_IN_GAP: Final = 4
_WORTH_NS: Final = 500_000
_MICROSECOND: Final = 1_000

Gap = tuple[int, int]
"""Start and end, monotonic ns."""


def between_calls(
    gaps: Iterable[Gap], pieces: Sequence[Interval], segments: Sequence[Segment], start_ns: int
) -> list[str]:
    """Return `offset length cause microseconds file:line function` for what took most in the longest gaps, all times in µs.

    Args:
        gaps: Times without a running call, in order.
        pieces: The extraction's time by cause, in order; "" where nothing explains it.
        segments: What was seen of it, in order.
        start_ns: Of the extraction; offsets count from it.
    """
    longest = sorted((gap for gap in gaps if gap[1] - gap[0] >= _WORTH_NS), key=lambda gap: gap[0] - gap[1])
    found: list[str] = []
    seen = list(_seen(pieces, segments)) if longest else []
    for first, last in sorted(longest[:_MOST_GAPS]):
        took: dict[str, int] = {}
        for cause, line, begin, end in seen:
            shared = min(last, end) - max(first, begin)
            if shared > 0:
                took[f"{cause}\0{line}"] = took.get(f"{cause}\0{line}", 0) + shared
        where = f"{(first - start_ns) // _MICROSECOND} {(last - first) // _MICROSECOND}"
        for what, ns in sorted(took.items(), key=lambda item: -item[1])[:_MOST_IN_GAP]:
            if ns >= _WORTH_NS:
                cause, _, line = what.partition("\0")
                found.append(f"{where} {cause} {ns // _MICROSECOND} {line}".rstrip())
    return found


def gaps_between(measured: Iterable[Interval], start_ns: int, end_ns: int) -> Iterator[Gap]:
    """Yield the times in which no measured call ran; waits for pools are gaps, since no span shows them."""
    return uncovered(((begin, end) for cause, begin, end in measured if cause != CAUSE_POOL), start_ns, end_ns)


def _seen(pieces: Sequence[Interval], segments: Sequence[Segment]) -> Iterator[tuple[str, str, int, int]]:
    """Yield cause, line, start and end of what pieces and segments have in common; both are in order."""
    texts: dict[tuple[object, object], str] = {}
    at = 0
    for cause, first, last in pieces:
        while at < len(segments) and segments[at].end_ns <= first:
            at += 1
        further = at
        while cause and further < len(segments) and segments[further].start_ns < last:
            segment = segments[further]
            blame = segment.blame if cause in BLAMING else None
            key = (segment.stack, blame)
            text = texts.get(key)
            if text is None:
                line = blame or own_line(segment.stack)
                text = texts[key] = "" if line is None else shown(line)
            yield cause, text, max(first, segment.start_ns), min(last, segment.end_ns)
            further += 1
