"""The thread that looks at slow extractions. It sleeps until the oldest open extraction reaches the threshold."""

from __future__ import annotations

import logging
import sys
import threading
from _thread import allocate_lock
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.cgroup import Cgroup, own_cgroup
from otel_fe.daemons import start_daemon
from otel_fe.forks import renew_after_fork
from otel_fe.instrument import resources
from otel_fe.instrument.causes.accelerator import synchronising
from otel_fe.instrument.causes.garbage import PAUSES, held_off
from otel_fe.instrument.causes.waits import NOT_WAITING
from otel_fe.instrument.stack_lines import own_line, stack_of
from otel_fe.instrument.watch import closing, look, registry
from otel_fe.instrument.watch.thread_counters import CounterHistory
from otel_fe.instrument.watch.threads import ThreadFiles, interpreter_lock, native_id, unavailable
from otel_fe.instrument.watch.watched import MOST_SEGMENTS, Watched
from otel_fe.semconv import CAUSE_EVENT_LOOP, CAUSE_GIL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_fe.instrument.extraction import Extraction
    from otel_fe.instrument.stack_lines import Line
    from otel_fe.instrument.watch.thread_counters import ThreadCounters
    from otel_fe.instrument.watch.watched import Segment

_log = logging.getLogger("otel_fe")

_GREENLETS: Final = "otel_fe: stacks of slow extractions are not looked at: gevent or eventlet has replaced threads"
INTERVAL_NS: Final = 4_000_000
"""Between two looks at a young extraction."""
_RARER: Final = 64
"""An extraction that has run for n ms is looked at every n / 64 ms."""
_CPU_SHARE: Final = 180
"""Time to pass for each unit of CPU time that the watcher uses. With what it may save up, that is less than 1 % of a core; and less
than 2 % of an application's CPU time, if one extraction of a hundred is slow (`make bench ARGS=watcher`)."""
_LEAST_NS: Final = 1_000_000
_CONTENDED_NS: Final = 500_000
"""A round that begins later than this, though there was a core, has waited for the interpreter."""
_CONTENDED_FOR_NS: Final = 50_000_000
"""The validity of the knowledge that other threads wait for it, too."""
_LATE: Final = 4
"""Time to pass for each unit in which the watcher waited for a core: until it has one, who gives it the interpreter waits, too."""
_LATEST_NS: Final = 40_000_000
"""The longest such rest."""
_SAVED_NS: Final = 5_000_000
"""CPU time that it may save up, in nearly a second in which it uses none, and use at once."""
_BEGINNING_NS: Final = 20_000_000
"""CPU time that it may use once in addition: the first looks, whose code and files are not warm, take ten times as long."""
_MOST_LOOKS: Final = 16
"""Extractions in one round: no other thread runs while they are looked at, each for some 20 µs."""
_IDLE_NS: Final = 1_000_000_000
"""The watcher sleeps until the next extraction begins after this long without an open one."""
_FORGOTTEN_NS: Final = 600_000_000_000
"""An extraction that is open for longer is not watched any more; it may never end."""


class Watcher:
    """Watches the extractions of this process.

    Args:
        threshold_s: The age from which an extraction is looked at.
    """

    def __init__(self, threshold_s: float) -> None:
        self._threshold_ns = int(threshold_s * 1e9)
        self._rest_ns = max(_LEAST_NS, self._threshold_ns)
        """While nothing is open: whatever begins in it is slow no sooner than it is over."""
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._alarm = allocate_lock()
        """Held, except for the moment in which the watcher is to wake up."""
        self._alarm.acquire()
        self._waking = allocate_lock()
        self._files = ThreadFiles()
        self._history = CounterHistory(self._files)
        self._lock = range(0)
        """Addresses of the interpreter's own lock."""
        self._prepared = False
        self._tid = 0
        self._contended = False
        """Whether this round began late because another thread held the interpreter."""

    # --- begin and end ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Register extractions from now on. The thread starts at once, to open files before anything is slow."""
        if _has_greenlets():
            _log.debug(_GREENLETS)
            return
        PAUSES.install()
        registry.open_with(self._wake, self.segments_of)
        renew_after_fork(self._after_fork)
        self._begin_thread()

    def stop(self) -> None:
        """Stop registering extractions, and end the thread."""
        self._stopped = True
        registry.close()
        PAUSES.remove()
        thread, self._thread = self._thread, None
        self._ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def _wake(self) -> None:
        """Called by an extraction that begins while the watcher sleeps. Never raises."""
        # Without waiting for it: its holder wakes the watcher, and may be this very thread, in a finalizer.
        if not self._waking.acquire(blocking=False):
            return
        try:
            if registry.asleep:
                registry.asleep = False
                self._history.begin()
                self._begin_thread()
        except Exception as fault:
            faults.record("watch", fault)
            self._give_up()
        finally:
            self._waking.release()

    def _begin_thread(self) -> None:
        if self._thread is None:
            self._thread = start_daemon("watch", "otel-fe-watcher", self._run)
            if self._thread is None:
                self._give_up()
        else:
            self._ring()

    def _ring(self) -> None:
        if self._alarm.locked():
            try:
                self._alarm.release()
            except RuntimeError:  # another thread has rung meanwhile
                return

    def _give_up(self) -> None:
        """Stop looking, for the rest of this process."""
        self._stopped = True
        registry.close()
        PAUSES.remove()

    def _after_fork(self) -> None:
        """Start over in a child: it has no thread, and its parent's extractions are not its own."""
        if self._stopped or registry.opened is None:
            return
        self._thread = None
        self._alarm = allocate_lock()
        self._alarm.acquire()
        self._waking = allocate_lock()
        self._files.close()
        self._history = self._history.renewed()
        registry.open_with(self._wake, self.segments_of)

    def segments_of(self, extraction: Any, end_ns: int) -> Sequence[Segment]:
        """Return what was seen of an extraction that has ended, up to its end; called on its thread."""
        return closing.segments_of(extraction, end_ns, self._history)

    # --- the thread -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._tid = self._history.watcher = threading.get_native_id()
            PAUSES.watcher = threading.get_ident()
            if not self._prepared:
                self._prepare()
            while registry.asleep and not self._stopped:
                self._alarm.acquire()
            idle_since = last = perf_counter_ns()
            used, waited, credit, planned, contended_ns = _own_cpu_ns(), 0, _SAVED_NS + _BEGINNING_NS, 0, 0
            while not self._stopped:
                began = perf_counter_ns()
                before, waited = waited, self._files.core_wait_ns(self._tid)
                late = max(0, waited - before) if planned else 0
                if planned and began - planned - late > _CONTENDED_NS:
                    contended_ns = began
                self._contended = began - contended_ns < _CONTENDED_FOR_NS
                due = self._round(began)
                if due is not None or registry.opened:
                    idle_since = began
                before, used = used, _own_cpu_ns()
                credit = max(credit, min(_SAVED_NS, credit + (began - last) // _CPU_SHARE)) - (used - before)
                last = began
                now = perf_counter_ns()
                rest = self._rest_ns if due is None else max(_LEAST_NS, due - now)
                rest = max(rest, -credit * _CPU_SHARE, min(late * _LATE, _LATEST_NS))
                forever = began - idle_since > _IDLE_NS
                planned = 0 if forever else now + rest
                self._sleep(rest, forever=forever)
        except Exception as fault:
            faults.record("watch", fault)
            self._give_up()
        finally:
            self._files.close()
            self._history.close()

    def _prepare(self) -> None:
        """Find out which sources the system provides for threads. They are the same in a forked child."""
        self._files.unavailable = found = unavailable(self._tid)
        if own_cgroup() == Cgroup():
            found["cgroup"] = "the process is in no control group that can be read"
        for name, reason in found.items():
            faults.unavailable(f"watch.{name}", reason)
        self._history.look_for_quota(perf_counter_ns())
        self._lock = interpreter_lock()
        self._prepared = True

    def _sleep(self, rest_ns: int, *, forever: bool) -> None:
        if not forever:
            self._alarm.acquire(timeout=rest_ns / 1e9)
            return
        registry.asleep = True
        if registry.opened:  # one has begun before it could see the flag
            registry.asleep = False
            return
        self._alarm.acquire()

    def _round(self, now_ns: int) -> int | None:
        """Look at the due extractions; return the time of the next look, None while none is open."""
        opened = registry.opened
        if not opened:
            self._history.look_for_quota(now_ns)
            return None
        if _has_greenlets():
            _log.debug(_GREENLETS)
            self._give_up()
            return None
        slow: list[Extraction] = []
        next_ns = 0
        for extraction in list(opened.values()):
            age = now_ns - extraction.start_mono_ns
            if age < self._threshold_ns:
                next_ns = now_ns + self._threshold_ns - age
                break  # those that follow are younger
            if age > _FORGOTTEN_NS:
                opened.pop(id(extraction), None)
            else:
                slow.append(extraction)
        self._history.look_for_quota(now_ns, slow=bool(slow))
        due = [one for one in slow if one.watched is None or one.watched.next_ns <= now_ns]
        if due:
            self._look(now_ns, due[:_MOST_LOOKS], opened)
        later = [one.watched.next_ns for one in slow if one.watched is not None]
        if len(due) > _MOST_LOOKS:
            later.append(now_ns)
        if not later:
            # Nothing is slow yet: what the process used up to here is what the first look is compared with.
            self._take(now_ns, list(threading._active), opened)  # type: ignore[attr-defined]
            return next_ns or now_ns + self._rest_ns
        return min((*later, next_ns) if next_ns else later)

    def _take(self, now_ns: int, idents: Iterable[int], opened: dict[int, Any]) -> ThreadCounters:
        extracting = {native_id(one.thread_id) for one in list(opened.values())[: 2 * _MOST_LOOKS]}
        extracting.discard(0)
        return self._history.take(now_ns, idents, extracting)

    def _look(self, now_ns: int, due: list[Extraction], opened: dict[int, Any]) -> None:
        """Look at the extractions that are due. No other thread runs between the copies, since nothing in it blocks."""
        due = [one for one in due if not self._unchanged(one, now_ns)]
        if not due:
            return
        gpu_calls = synchronising()
        with held_off():
            frames = sys._current_frames()
            try:
                glimpses = [(one, look.glimpse(one, now_ns, frames, self._files, gpu_calls)) for one in due]
                counters = None
                if any(seen is not None and look.needs_counters(seen) for _, seen in glimpses):
                    counters = self._take(now_ns, frames, opened)
                hogs = {} if counters is None else self._hogs(counters, glimpses, frames)
            finally:
                del frames
        rss_bytes = resources.rss_bytes(now_ns)  # once: it releases the GIL
        for extraction, seen in glimpses:
            try:
                if seen is not None:
                    watched = self._note(extraction, seen, counters, hogs)
                    watched.peak_bytes = max(watched.peak_bytes, rss_bytes)
            except Exception as fault:
                faults.record("watch.look", fault)

    def _unchanged(self, extraction: Extraction, now_ns: int) -> bool:
        if not look.still_waits(extraction, now_ns):
            return False
        self._plan(extraction.watched, now_ns, extraction.start_mono_ns)
        return True

    @staticmethod
    def _plan(watched: Any, now_ns: int, start_ns: int) -> None:
        """Return when to look next: at old extractions more rarely."""
        age = now_ns - start_ns
        watched.next_ns = now_ns + max(INTERVAL_NS, age // _RARER)
        if len(watched.segments) >= MOST_SEGMENTS:
            watched.next_ns += age

    def _hogs(
        self, counters: ThreadCounters, glimpses: list[Any], frames: Any
    ) -> dict[int, tuple[int, int, Line | None]]:
        """Return the CPU time of other threads, their wait for a core, and the line of the busiest of them.

        By the ids of the threads that may have waited for them.
        """
        found: dict[int, tuple[int, int, Line | None]] = {}
        for extraction, looked in glimpses:
            for seen in (looked, None if looked is None else looked.child):
                if seen is not None and look.may_have_been_held(seen, self._lock, contended=self._contended):
                    since = self._since(extraction) or counters
                    used, busiest, waited = counters.others_ns(since, seen.tid, self._tid)
                    thread = next((frame for ident, frame in frames.items() if native_id(ident) == busiest), None)
                    found[seen.tid] = used, waited, own_line(stack_of(thread))
                    del thread
        return found

    def _since(self, extraction: Extraction) -> ThreadCounters | None:
        """Return the counters of the look before, or from before the extraction."""
        watched = extraction.watched
        return self._history.before(extraction.start_mono_ns) if watched is None else watched.counters

    def _note(
        self, extraction: Extraction, seen: look.Glimpse, counters: ThreadCounters | None, hogs: dict[int, Any]
    ) -> Watched:
        watched = extraction.watched or Watched(extraction.start_mono_ns)
        since = self._since(extraction) or counters
        segment = look.segment_of(seen, watched, counters, since, self._lock)
        if not seen.running:
            look.place_suspended(seen, watched, segment)
        elif seen.step != watched.step:
            watched.settle_held(CAUSE_EVENT_LOOP)
            watched.step = seen.step
        if not watched.segments and counters is not None and seen.running:
            waited = counters.core_wait_ns.get(seen.tid, 0)
            segment.core_wait_ns = max(0, waited - self._history.core_wait_before(seen.tid, watched.seen_ns, waited))
        acting = look.place_child(seen, segment, counters, since, self._lock)
        if acting.running and acting.tid in hogs:
            segment.others_cpu_ns, segment.others_wait_ns, segment.blame = hogs[acting.tid]
            segment.contended = self._contended
        watched.add(segment)
        if seen.child is not None:
            watched.child_clocks[seen.child.ident] = seen.child.clock_ns
        watched.counters = counters or watched.counters or since
        watched.tid, watched.clock_ns = seen.tid, seen.clock_ns
        watched.waits = seen.running and seen.waiting.call >= 0 and segment.wait not in {NOT_WAITING, CAUSE_GIL}
        self._plan(watched, seen.at_ns, extraction.start_mono_ns)
        extraction.watched = watched
        return watched


def _own_cpu_ns() -> int:
    """Return the watcher's CPU time, without the garbage collections that its allocations have set off."""
    return thread_time_ns() - PAUSES.on_watcher_ns


def _has_greenlets() -> bool:
    """Return whether gevent or eventlet has replaced threads: what runs on a thread then changes without our knowing."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return True
    eventlet = sys.modules.get("eventlet.patcher")
    return eventlet is not None and bool(getattr(eventlet, "already_patched", {}).get("thread"))
