"""Attributes a slow extraction's time to causes and lines, from its own measurements and the watcher's samples."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.instrument.causes.garbage import PAUSES
from otel_fe.instrument.causes.waits import NOT_WAITING
from otel_fe.instrument.stack_lines import is_importing, own_line, shown
from otel_fe.instrument.watch.between_calls import BLAMING, between_calls, gaps_between
from otel_fe.instrument.watch.watched import HELD, Segment
from otel_fe.pipeline.attribution import CAUSE_SEEN_CPU, attributed, bottleneck
from otel_fe.semconv import (
    CAUSE_CPU_THROTTLED,
    CAUSE_CPU_WAIT,
    CAUSE_DISK,
    CAUSE_EVENT_LOOP,
    CAUSE_GC,
    CAUSE_GIL,
    CAUSE_GPU,
    CAUSE_IMPORT,
    CAUSE_PAGE_FAULTS,
    CAUSE_UNEXPLAINED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_fe.instrument.causes.garbage import Pause
    from otel_fe.instrument.stack_lines import Line, Stack
    from otel_fe.pipeline.attribution import Interval

_NEAR: Final = 3
"""Looks before and after one that saw no wait, of which one may have seen what it waits in now and then."""
_MOST_FOLDED: Final = 32
_MOST_TOP: Final = 8
_MOST_BYTES: Final = 16_000
"""Most bytes of all collapsed stacks on a span."""
_MICROSECOND: Final = 1_000
_OTHERS: Final = "(others)"
_end_ns: Final = attrgetter("end_ns")

Place = tuple[str, "Stack", "Line | None"]
"""A cause, the stack, and the line that held the interpreter or the loop."""


class Finding:
    """An extraction's time by cause and by stack, in ns; both have equal sums for the sampled part."""

    __slots__ = ("_lines", "between_calls", "places", "samples", "seen_after_ns", "split")

    def __init__(
        self,
        split: dict[str, int],
        places: dict[Place, int],
        samples: int,
        seen_after_ns: int,
        between: Sequence[str] = (),
    ) -> None:
        self.split = split
        self.places = places
        self.samples = samples
        self.seen_after_ns = seen_after_ns
        """From the start to the first look."""
        self.between_calls = between
        """As `between_calls` returns them."""
        self._lines: dict[str, dict[str, int]] = {}
        """Time by line, as `file:line function`, of each cause."""
        for (cause, stack, blame), ns in places.items():
            line = (blame if cause in BLAMING else None) or own_line(stack)
            if line is not None:
                of_cause = self._lines.setdefault(cause, {})
                text = shown(line)
                of_cause[text] = of_cause.get(text, 0) + ns

    def hotspot(self) -> tuple[str, int] | None:
        """Return the line that took most of the main cause's time, as `file:line function`, and how much; None where none is."""
        by_line = self._lines.get(bottleneck(self.split)[0])
        return max(by_line.items(), key=lambda item: item[1]) if by_line else None

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the event that carries all of it."""
        found: dict[str, Any] = {
            semconv.STACKS_FOLDED: self.folded(),
            semconv.STACKS_TOP: self.top(),
            semconv.STACKS_SAMPLES: self.samples,
        }
        if self.between_calls:
            found[semconv.STACKS_BETWEEN_CALLS] = list(self.between_calls)
        return found

    def top(self) -> list[str]:
        """Return the lines that took most, as `cause file:line function microseconds`."""
        found = [(ns, f"{cause} {line}") for cause, of_cause in self._lines.items() for line, ns in of_cause.items()]
        found.sort(reverse=True)
        return [f"{text} {ns // _MICROSECOND}" for ns, text in found[:_MOST_TOP] if ns >= _MICROSECOND]

    def folded(self) -> list[str]:
        """Return collapsed stacks with their microseconds, the largest first; the rest is in one stack named so."""
        stacks: dict[str, int] = {}
        for (cause, stack, blame), ns in self.places.items():
            frames = [cause, *(shown(line) for line in reversed(stack))]
            if blame is not None and cause in BLAMING:
                frames.append(f"[held by] {shown(blame)}")
            text = ";".join(frames)
            stacks[text] = stacks.get(text, 0) + ns
        lines: list[str] = []
        left = _MOST_BYTES
        rest = 0
        for text, ns in sorted(stacks.items(), key=lambda item: -item[1]):
            left -= len(text)
            if left < 0 or len(lines) >= _MOST_FOLDED:
                rest += ns
            elif ns >= _MICROSECOND:
                lines.append(f"{text} {ns // _MICROSECOND}")
        return [*lines, f"{_OTHERS} {rest // _MICROSECOND}"] if rest >= _MICROSECOND else lines


def find(
    start_ns: int,
    end_ns: int,
    measured: Sequence[Interval],
    cpu_ns: int,
    segments: Sequence[Segment],
    ident: int,
) -> Finding:
    """Split an extraction's duration over its causes, and each cause's time over the stacks that were seen in it.

    Args:
        start_ns: Its start; all times are monotonic.
        end_ns: Its end.
        measured: Waits, look-ups and calls that were measured from beginning to end.
        cpu_ns: Its CPU time; negative where it is not known.
        segments: What was seen, in order, without gaps.
        ident: Of its thread.
    """
    pauses = PAUSES.between(start_ns, end_ns) if segments else ()
    _settle_core_waits(segments)
    seen = list(_parts_of(segments, _union(measured) if segments else (), pauses, ident))
    intervals = [*measured, *((cause, first, last) for cause, first, last in seen if cause)]
    left = cpu_ns - sum(segment.cpu_ns for segment in segments) if segments else cpu_ns
    split, ordered = attributed(start_ns, end_ns, intervals, left)
    if not segments:
        return Finding(split, {}, 0, 0)
    between = between_calls(gaps_between(measured, start_ns, end_ns), ordered, segments, start_ns)
    looks = sum(segment.looks for segment in segments)
    return Finding(split, _places(ordered, segments), looks, segments[0].end_ns - start_ns, between)


def _settle_core_waits(segments: Sequence[Segment]) -> None:
    """Put waits for a core that are counted in a segment too short for them into a neighbour that lacks them.

    The kernel counts a wait once it is over: of a thread that still waits when it is looked at, the next look has the whole of it.
    And a watcher that has itself no core between its clock and its counters reads a wait that belongs to the next segment.
    """
    for at, segment in enumerate(segments):
        for distance in range(1, _NEAR + 1):
            for other in (at - distance, at + distance):
                excess = segment.core_wait_ns - segment.off_ns
                if excess <= 0 or not 0 <= other < len(segments):
                    continue
                near = segments[other]
                if near.wait not in {CAUSE_GIL, NOT_WAITING}:
                    continue
                moved = max(0, min(excess, near.off_ns - near.core_wait_ns))
                throttled = min(moved, max(0, segment.throttled_ns - segment.off_ns))
                segment.core_wait_ns -= moved
                near.core_wait_ns += moved
                segment.throttled_ns -= throttled
                near.throttled_ns += throttled


def _places(ordered: Sequence[Interval], segments: Sequence[Segment]) -> dict[Place, int]:
    """Join the pieces of time with the segments that they lie in; both are in order."""
    places: dict[Place, int] = {}
    at = 0
    for cause, first, last in ordered:
        while at < len(segments) and segments[at].end_ns <= first:
            at += 1
        further = at
        while further < len(segments) and segments[further].start_ns < last:
            segment = segments[further]
            shared = min(last, segment.end_ns) - max(first, segment.start_ns)
            stack = (segment.collected_in if cause == CAUSE_GC else ()) or segment.stack
            if shared > 0 and stack:
                place = (cause or CAUSE_UNEXPLAINED, stack, segment.blame)
                places[place] = places.get(place, 0) + shared
            further += 1
    return places


def _parts_of(
    segments: Sequence[Segment], measured: Sequence[tuple[int, int]], pauses: Sequence[Pause], ident: int
) -> Iterator[Interval]:
    """Lay the parts of each segment one after the other: how long each was is known, and not where in the segment it lay.

    What was measured is mostly waiting, so the parts begin in the time besides it.
    """
    at = 0
    for index, segment in enumerate(segments):
        while at < len(measured) and measured[at][1] <= segment.start_ns:
            at += 1
        slots = _slots(segment, measured, at)
        start, end = next(slots)
        for cause, length in _lengths(segments, index, pauses, ident):
            left = length
            while left > 0:
                if start >= end:
                    found = next(slots, None)
                    if found is None:
                        break
                    start, end = found
                    continue
                ns = min(left, end - start)
                yield cause, start, start + ns
                start += ns
                left -= ns


def _slots(segment: Segment, measured: Sequence[tuple[int, int]], at: int) -> Iterator[tuple[int, int]]:
    """Yield the time of a segment besides what was measured, then the rest of it.

    Args:
        segment: The segment.
        measured: Disjoint times, in order.
        at: Index of the first of them that may reach into the segment.
    """
    covered = []
    start = segment.start_ns
    while at < len(measured) and measured[at][0] < segment.end_ns:
        first, last = max(start, measured[at][0]), min(segment.end_ns, measured[at][1])
        yield start, first
        covered.append((first, last))
        start = last
        at += 1
    yield start, segment.end_ns
    yield from covered


def _union(intervals: Iterable[Interval]) -> list[tuple[int, int]]:
    """Return the time that any of the intervals covers, in order and without overlaps."""
    found: list[tuple[int, int]] = []
    for start, end in sorted((start, end) for _, start, end in intervals if end > start):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _lengths(segments: Sequence[Segment], index: int, pauses: Sequence[Pause], ident: int) -> Iterator[tuple[str, int]]:
    segment = segments[index]
    if is_importing(segment.stack):
        yield CAUSE_IMPORT, segment.end_ns - segment.start_ns
        return
    if segment.on_gpu:
        yield CAUSE_GPU, segment.end_ns - segment.start_ns
        return
    overlapping = _overlapping(pauses, segment)
    mine = [pause for pause in overlapping if pause.ident == ident]
    own = min(segment.cpu_ns, _overlap(mine, segment))
    segment.collected_in = max(mine, key=lambda pause: _shared(pause, segment)).stack if own else ()
    yield CAUSE_GC, own
    yield CAUSE_SEEN_CPU, segment.cpu_ns - own
    if segment.child_ident:
        theirs = [pause for pause in overlapping if pause.ident == segment.child_ident]
        collected = min(segment.child_cpu_ns, _overlap(theirs, segment))
        yield CAUSE_GC, collected
        yield CAUSE_SEEN_CPU, segment.child_cpu_ns - collected
        ident = segment.child_ident
    left = segment.off_ns
    if segment.core_wait_ns or segment.throttled_ns:
        waited = min(left, segment.core_wait_ns)
        throttled = min(max(waited, 0 if segment.wait else left), segment.throttled_ns)
        yield CAUSE_CPU_THROTTLED, throttled
        waited = max(0, waited - throttled)
        yield CAUSE_CPU_WAIT, waited
        left -= throttled + waited
    wait = segment.wait or _near(segments, index)
    if wait in {CAUSE_GIL, NOT_WAITING}:
        held = min(left, segment.others_cpu_ns)
        collected = min(held, _overlap([pause for pause in overlapping if pause.ident != ident], segment))
        yield CAUSE_GC, collected
        yield CAUSE_GIL, held - collected
        # The thread that held the interpreter, or was to get it, had no core.
        without_core = min(left - held, segment.others_wait_ns)
        yield CAUSE_CPU_WAIT, without_core
        yield _paging(segment), left - held - without_core
    elif segment.contended and segment.looks == 1 and wait not in {HELD, CAUSE_EVENT_LOOP}:
        # It has run since the look before, so it has woken up; and who wakes up waits for the interpreter. The watcher gets it
        # when it is released, and so sees most threads at the beginning of a wait that may last for microseconds.
        held = min(left, segment.others_cpu_ns)
        yield CAUSE_GIL, held
        yield wait, left - held
    else:
        yield wait, left


def _paging(segment: Segment) -> str:
    """Return what a thread waited for that was never seen waiting: the disk, in moments too short to be met.

    A page fault is never seen, since the GIL is not released meanwhile.
    """
    if segment.faults > 0:
        return CAUSE_PAGE_FAULTS
    return CAUSE_DISK if segment.blocks > 0 else ""


def _near(segments: Sequence[Segment], index: int) -> str:
    """Return what the looks next to one that saw no wait have seen: a thread that waits often and shortly is seen in between."""
    for distance in range(1, _NEAR + 1):
        for other in (index + distance, index - distance):
            if 0 <= other < len(segments) and segments[other].wait not in {
                NOT_WAITING,
                CAUSE_GIL,
                HELD,
                CAUSE_EVENT_LOOP,
            }:
                return segments[other].wait
    return NOT_WAITING


def _overlapping(pauses: Sequence[Pause], segment: Segment) -> list[Pause]:
    found = []
    for at in range(bisect_right(pauses, segment.start_ns, key=_end_ns), len(pauses)):
        if pauses[at].start_ns >= segment.end_ns:
            break
        found.append(pauses[at])
    return found


def _overlap(pauses: Iterable[Pause], segment: Segment) -> int:
    return sum(_shared(pause, segment) for pause in pauses)


def _shared(pause: Pause, segment: Segment) -> int:
    return max(0, min(pause.end_ns, segment.end_ns) - max(pause.start_ns, segment.start_ns))
