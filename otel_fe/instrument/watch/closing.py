"""Attributes the end of a slow extraction, from the last look at it to its return, by counters."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.causes.waits import NOT_WAITING
from otel_fe.instrument.watch.thread_counters import paging
from otel_fe.instrument.watch.threads import core_wait_ns, cpu_clock_ns
from otel_fe.instrument.watch.watched import Segment, Watched
from otel_fe.semconv import CAUSE_EVENT_LOOP, CAUSE_GIL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.instrument.watch.thread_counters import CounterHistory, ThreadCounters

_WORTH_NS: Final = 1_000_000
"""A thread that was off the CPU for less since the last look is not examined."""
_MOST_THREADS: Final = 16
_MOST_ASKED: Final = 4
"""Threads whose wait for a core is read, at 10 µs each: those that ran most."""
_BUSY_NS: Final = 500_000
"""The wait of a thread that ran for less is not read."""


def segments_of(extraction: Any, end_ns: int, history: CounterHistory) -> Sequence[Segment]:
    """Return what was seen of an extraction, and a last segment up to its end.

    Args:
        extraction: It has ended, on this thread.
        end_ns: When (monotonic).
        history: Counters from before it.
    """
    watched: Watched | None = extraction.watched
    if watched is None:
        watched = Watched(extraction.start_mono_ns)
        watched.counters = history.before(watched.seen_ns)
    watched.settle_held(CAUSE_EVENT_LOOP)  # it has gone on
    segments = list(watched.segments)
    seen_ns = segments[-1].end_ns if segments else watched.seen_ns
    passed = end_ns - seen_ns
    if passed > 0:
        cpu_ns = max(0, extraction.own_cpu_ns) - sum(segment.cpu_ns for segment in segments)
        last = Segment(seen_ns, end_ns, min(passed, max(0, cpu_ns)), "", ())
        last.looks = 0
        if segments:
            last.wait, last.stack, last.blame = segments[-1].wait, segments[-1].stack, segments[-1].blame
            last.child_ident, last.on_gpu = segments[-1].child_ident, segments[-1].on_gpu
        if last.child_ident or not segments:
            handed_ns = extraction.handed_cpu_ns - sum(segment.child_cpu_ns for segment in segments)
            last.child_cpu_ns = min(last.off_ns, max(0, handed_ns))
            last.child_ident = last.child_ident or bool(last.child_cpu_ns)
        if last.off_ns > _WORTH_NS and watched.counters is not None:
            _count(last, watched.counters, history)
        segments.append(last)
    return segments


def _count(last: Segment, since: ThreadCounters, history: CounterHistory) -> None:
    last.throttled_ns = max(0, history.throttled_ns() - since.throttled_ns) if since.throttled_ns >= 0 else 0
    faults, blocks = paging()
    last.faults, last.blocks = faults - since.faults, blocks - since.blocks
    own = threading.get_native_id()
    last.core_wait_ns = _waited(own, since)
    if last.wait not in {NOT_WAITING, CAUSE_GIL}:
        return  # other threads do not matter to it
    used = [(cpu_clock_ns(tid) - since.cpu_ns[tid], tid) for tid in list(since.cpu_ns)[:_MOST_THREADS] if tid != own]
    last.others_cpu_ns = sum(ns for ns, tid in used if ns > 0 and tid != history.watcher)
    last.others_wait_ns = sum(_waited(tid, since) for ns, tid in sorted(used)[-_MOST_ASKED:] if ns > _BUSY_NS)


def _waited(tid: int, since: ThreadCounters) -> int:
    """Return how long a thread has waited for a core since then; 0 where that is not known."""
    before = since.core_wait_ns.get(tid)
    return 0 if before is None else max(0, core_wait_ns(tid) - before)
