"""One look at one extraction: its stack, its wait, and its usage since the previous look."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.causes.instruction import names_at
from otel_fe.instrument.causes.system_calls import UNKNOWN, Waiting
from otel_fe.instrument.causes.waits import NOT_WAITING, awaits, by_names, wait_of
from otel_fe.instrument.stack_lines import Line, awaits_of, own_line, shortened, stack_of
from otel_fe.instrument.watch.threads import cpu_clock_ns, native_id
from otel_fe.instrument.watch.watched import HELD, Segment, Watched
from otel_fe.pipeline.attribution import CAUSE_SEEN_CALL
from otel_fe.semconv import CAUSE_EVENT_LOOP, CAUSE_LOCK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from types import FrameType

    from otel_fe.instrument.extraction import Extraction
    from otel_fe.instrument.watch.thread_counters import ThreadCounters
    from otel_fe.instrument.watch.threads import ThreadFiles

_NO_NAMES: Final[frozenset[str]] = frozenset()
_MOST_WORKERS: Final = 16
"""Threads of one extraction whose clocks are read at each look."""
_OFF_FROM_NS: Final = 200_000
"""The wait of a thread that was off the CPU for less is not read."""
_RUNNERS: Final = ("asyncio/runners.py", "asyncio/base_events.py", "uvloop/__init__.py", "uvicorn/server.py")
_SELECTORS: Final = "/selectors.py"
_RUNS_LOOP: Final = frozenset(("run_forever", "run_until_complete"))
_THREADING: Final = "/threading.py"
_TARGET: Final = "_target"
"""By which `Thread.run` calls the target of a thread."""


class Glimpse:
    """The data that has to be copied while no other thread can run."""

    __slots__ = (
        "at_ns",
        "blame",
        "child",
        "clock_ns",
        "cpu_ns",
        "held",
        "ident",
        "idle_loop",
        "leaf_done",
        "names",
        "off_ns",
        "on_gpu",
        "running",
        "stack",
        "step",
        "tid",
        "waiting",
    )

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self.stack: tuple[Line, ...] = ()
        self.names: frozenset[str] = _NO_NAMES
        self.waiting = Waiting(UNKNOWN)
        self.running = False
        """Whether it is on its thread, waiting or not; else it is suspended."""
        self.held = False
        """Whether something else holds the event loop that it is suspended in."""
        self.idle_loop = False
        """Whether it runs an event loop that waits for events: perhaps for the thread that works for it."""
        self.leaf_done = False
        """Whether the awaited result is available already."""
        self.blame: Line | None = None
        self.child: Glimpse | None = None
        """Of the thread that works for it, of several the one that has used most CPU time since the look before."""
        self.ident = 0
        """The thread, as Python has it."""
        self.cpu_ns = 0
        self.off_ns = 0
        """Time since the look before in which it did not run."""
        self.on_gpu = False
        """Whether it is in a call that waits for a GPU."""
        self.clock_ns = -1
        """CPU clock of its thread."""
        self.step: Any = None
        self.tid = 0


def glimpse(
    extraction: Extraction,
    now_ns: int,
    frames: Mapping[int, FrameType],
    files: ThreadFiles,
    synchronising: AbstractSet[str] = _NO_NAMES,
) -> Glimpse | None:
    """Copy the state of an extraction's thread; None where it has just ended, or its thread cannot be seen.

    Args:
        extraction: One that is open.
        now_ns: Monotonic time.
        frames: Of all threads. None of them is kept.
        files: The kernel's files about threads.
        synchronising: Names of calls that wait for a GPU.
    """
    seen = Glimpse(now_ns)
    task = extraction.task
    seen.step = extraction.cpu_ns, extraction.cpu_start_ns
    frame = frames.get(extraction.thread_id)
    if frame is None or extraction.ended:
        return None
    seen.tid = native_id(extraction.thread_id)
    seen.clock_ns = cpu_clock_ns(seen.tid)
    seen.ident = extraction.thread_id
    if extraction.workers:
        seen.child = _worker(extraction, now_ns, frames, files)
        if seen.child is not None:
            _ask_gpu(seen.child, frames[seen.child.ident], synchronising)
    if not extraction.away and (task is None or _is_current(task)):
        seen.running = True
        seen.stack = stack_of(frame)
        seen.cpu_ns = _cpu_since(extraction, seen.clock_ns)
        watched = extraction.watched
        since_ns, cpu_ns = (extraction.start_mono_ns, 0) if watched is None else (watched.seen_ns, watched.cpu_ns)
        seen.off_ns = now_ns - since_ns - (seen.cpu_ns - cpu_ns)
        if seen.off_ns > _OFF_FROM_NS:
            seen.names = names_at(frame)
            seen.waiting = files.waiting(seen.tid)
            seen.idle_loop = _is_idle(frame)
        _ask_gpu(seen, frame, synchronising)
        return seen
    seen.cpu_ns = _cpu_since(extraction, -1)
    _suspended(seen, extraction, task, frame)
    return seen


def _ask_gpu(seen: Glimpse, frame: FrameType, synchronising: AbstractSet[str]) -> None:
    """Return whether a thread is in a call that waits for a GPU: it spins meanwhile, so its CPU clock advances."""
    if synchronising:
        seen.names = names_at(frame)
        seen.on_gpu = not synchronising.isdisjoint(seen.names)


def _worker(extraction: Extraction, now_ns: int, frames: Mapping[int, FrameType], files: ThreadFiles) -> Glimpse | None:
    """Copy the state of the busiest thread that works for an extraction; `cpu_ns` is its own since the last look."""
    watched = extraction.watched
    clocks = {} if watched is None else watched.child_clocks
    busiest: Glimpse | None = None
    for ident, began_ns in list((extraction.workers or {}).items())[:_MOST_WORKERS]:
        tid = native_id(ident)
        clock_ns = cpu_clock_ns(tid)
        used = max(0, clock_ns - clocks.get(ident, began_ns))
        if ident in frames and (busiest is None or used > busiest.cpu_ns):
            busiest = Glimpse(now_ns)
            busiest.ident, busiest.tid, busiest.clock_ns, busiest.cpu_ns = ident, tid, clock_ns, used
    if busiest is not None:
        frame = frames[busiest.ident]
        since_ns = extraction.start_mono_ns if watched is None else watched.seen_ns
        busiest.running = True
        busiest.stack = stack_of(frame)
        busiest.off_ns = now_ns - since_ns - busiest.cpu_ns
        if busiest.off_ns > _OFF_FROM_NS:
            busiest.names = names_at(frame)
            busiest.waiting = files.waiting(busiest.tid)
    return busiest


def _cpu_since(extraction: Extraction, clock_ns: int) -> int:
    """Return the CPU time of an extraction up to now; if that is unknown for a block, the part that other looks have seen.

    Args:
        extraction: One that is open.
        clock_ns: Of its thread, if it is on it now; else -1.
    """
    watched = extraction.watched
    if extraction.cpu_ns >= 0:
        return extraction.cpu_ns + (max(0, clock_ns - extraction.cpu_start_ns) if clock_ns >= 0 else 0)
    before_ns = extraction.cpu_start_ns if watched is None else watched.clock_ns
    known_ns = 0 if watched is None else watched.cpu_ns
    return known_ns + (max(0, clock_ns - before_ns) if clock_ns >= 0 else 0)


def _suspended(seen: Glimpse, extraction: Extraction, task: Any, frame: FrameType) -> None:
    coroutine = extraction.coroutine if task is None else task
    if coroutine is None:
        return
    seen.stack, _ = awaits_of(coroutine)
    awaited = getattr(task, "_fut_waiter", None) if task is not None else extraction.awaited
    done = getattr(awaited, "done", None)
    seen.leaf_done = bool(done is not None and done())
    loop = stack_of(frame)
    seen.held = not _is_idle(frame)
    if seen.held:
        seen.blame = own_line(loop)


def _is_current(task: Any) -> bool:
    """Return whether a task is the one that its event loop runs now."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio.current_task(task.get_loop()) is task


def _is_idle(frame: FrameType) -> bool:
    """Return whether the thread of an event loop waits for events, rather than runs a callback.

    A loop in C, such as uvloop's, has no Python frame: its innermost frame is the one that runs it, or the start of its
    thread.
    """
    file = frame.f_code.co_filename
    if file.endswith(_SELECTORS) and frame.f_back is not None:
        file = frame.f_back.f_code.co_filename
    if file.endswith(_RUNNERS):
        return True
    names = names_at(frame)
    return not _RUNS_LOOP.isdisjoint(names) or (_TARGET in names and file.endswith(_THREADING))


def still_waits(extraction: Extraction, now_ns: int) -> bool:
    """Extend the last segment of an extraction whose thread has not run since: its stack and what it waits in are the same."""
    watched = extraction.watched
    if watched is None or not watched.waits or extraction.workers or extraction.away or extraction.ended:
        return False
    if cpu_clock_ns(watched.tid) != watched.clock_ns:
        return False
    watched.extend(now_ns)
    return True


def needs_counters(seen: Glimpse) -> bool:
    """Return whether it matters what other threads, and the machine, have done since the look before."""
    return seen.off_ns > _OFF_FROM_NS or (seen.child is not None and seen.child.off_ns > _OFF_FROM_NS)


def segment_of(
    seen: Glimpse, watched: Watched, counters: ThreadCounters | None, since: ThreadCounters | None, lock: range
) -> Segment:
    """Return the segment of time since the last look, by a glimpse.

    Args:
        seen: The glimpse.
        watched: Of the looks before.
        counters: Of now; None where they do not matter.
        since: Of the look before.
        lock: Addresses of the interpreter's own lock.
    """
    passed = max(0, seen.at_ns - watched.seen_ns)
    cpu_ns = min(passed, max(0, seen.cpu_ns - watched.cpu_ns))
    segment = Segment(watched.seen_ns, seen.at_ns, cpu_ns, NOT_WAITING, seen.stack)
    segment.on_gpu = seen.on_gpu
    if not seen.running or counters is None or since is None:
        return segment
    if seen.tid:
        now = counters.core_wait_ns.get(seen.tid, 0)
        segment.core_wait_ns = max(0, now - since.core_wait_ns.get(seen.tid, now))
    segment.throttled_ns = counters.throttled_since_ns(since)
    segment.faults, segment.blocks = counters.faults - since.faults, counters.blocks - since.blocks
    if seen.off_ns > _OFF_FROM_NS:
        segment.wait = _wait_of(seen, counters, since, lock)
    return segment


def place_child(
    seen: Glimpse, segment: Segment, counters: ThreadCounters | None, since: ThreadCounters | None, lock: range
) -> Glimpse:
    """Attribute an extraction's wait for a thread that works for it to the activity of that thread.

    Returns:
        The glimpse of that thread, or of the extraction where it waits for something else.
    """
    child = seen.child
    if child is None or not (segment.wait == CAUSE_LOCK or (seen.idle_loop and segment.wait == CAUSE_SEEN_CALL)):
        return seen
    wait = NOT_WAITING
    if counters is not None and since is not None and child.off_ns > _OFF_FROM_NS:
        wait = _wait_of(child, counters, since, lock)
        if wait == CAUSE_LOCK:
            return seen  # such as a background thread that serves a queue: the extraction's own line explains as much
    segment.on_gpu = child.on_gpu
    segment.child_ident = child.ident
    segment.child_cpu_ns = min(segment.off_ns, child.cpu_ns)
    segment.stack = shortened([*child.stack, *segment.stack])
    segment.wait = wait
    if counters is not None and since is not None:
        now = counters.core_wait_ns.get(child.tid, 0)
        segment.core_wait_ns = max(0, now - since.core_wait_ns.get(child.tid, now))
        segment.throttled_ns = counters.throttled_since_ns(since)
        segment.faults, segment.blocks = counters.faults - since.faults, counters.blocks - since.blocks
    return child


def _wait_of(seen: Glimpse, counters: ThreadCounters, since: ThreadCounters, lock: range) -> str:
    if seen.waiting.call == UNKNOWN:
        return by_names(seen.stack, seen.names)
    return wait_of(seen.waiting, seen.stack, seen.names, lock, counters.native_share(since))


def place_suspended(seen: Glimpse, watched: Watched, segment: Segment) -> None:
    """Set the cause of a suspended coroutine's segment, and settle those before it."""
    otherwise = awaits(seen.stack)
    stepped = seen.step != watched.step
    watched.step = seen.step
    if seen.held:
        if stepped:
            watched.settle_held(CAUSE_EVENT_LOOP)
        segment.blame = seen.blame
        segment.wait = CAUSE_EVENT_LOOP if seen.leaf_done else HELD
        if not seen.leaf_done:
            watched.hold(segment, otherwise)
    else:
        watched.settle_held(CAUSE_EVENT_LOOP if stepped else None)
        segment.wait = otherwise


def may_have_been_held(seen: Glimpse, lock: range, *, contended: bool) -> bool:
    """Return whether a thread may have waited for the interpreter since the look before."""
    if not seen.running or seen.off_ns <= _OFF_FROM_NS:
        return False
    return contended or seen.waiting.call < 0 or seen.waiting.first in lock
