"""The watcher at work: on functions, coroutines, generators and blocks, in threads and in forked children."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time

import pytest

import otel_fe
from otel_fe import faults
from otel_fe.instrument.causes.garbage import PAUSES, Pauses
from otel_fe.instrument.watch import look, registry
from otel_fe.instrument.watch.watcher import Watcher
from tests.observed import instrumented
from tests.unit.instrument.watch.spans import PREFIX, causes

STACKS = f"{PREFIX}stacks"


def line_of(function, offset):
    """Return how a line of a function is shown."""
    code = getattr(function, "__otel_fe_wrapped__", function).__code__
    return f"{os.path.basename(__file__)}:{code.co_firstlineno + offset} {code.co_name}"


def busy(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_the_line_that_used_the_cpu_is_named(watched):
    """The hotspot is the line with its milliseconds, and an event has the whole stack."""

    @otel_fe.extraction("x")
    def extract():
        busy(0.6)

    extract()
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] in {"cpu", "cpu_wait"}
    assert f"{os.path.basename(__file__)}:" in span.attributes[f"{PREFIX}hotspot"]
    assert span.attributes[f"{PREFIX}hotspot"].endswith(" busy")
    assert 0 < span.attributes[f"{PREFIX}hotspot.time"] <= span.attributes[f"{PREFIX}bottleneck.time"] + 1e-6
    (event,) = [event for event in span.events if event.name == STACKS]
    assert span.start_time < event.timestamp < span.end_time
    assert event.attributes[f"{STACKS}.samples"] > 1
    folded = [line for line in event.attributes[f"{STACKS}.folded"] if line.startswith("cpu;")]
    assert any(" extract;" in line and " busy " in line for line in folded)


def test_a_function_that_sleeps_is_asleep(watched):
    """Named with the line that sleeps."""

    @otel_fe.extraction("x")
    def extract():
        time.sleep(0.08)

    extract()
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "sleep"
    assert span.attributes[f"{PREFIX}hotspot"].endswith(line_of(extract, 2))
    assert causes(span)["sleep"] >= 0.07


def test_a_coroutine_that_waits_is_seen_where_it_waits(watched):
    """A waiting coroutine is explained by its awaiting line, although it is on no thread's stack."""

    @otel_fe.extraction("x")
    async def extract():
        await asyncio.sleep(0.08)

    asyncio.run(extract())
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "sleep"
    assert span.attributes[f"{PREFIX}hotspot"].endswith(line_of(extract, 2))


def test_a_block_of_an_event_loop_is_seen_where_its_task_waits(watched):
    """A block's stack is that of its own task, without other tasks' work on the same thread."""

    async def extract():
        async with otel_fe.extraction("x"):
            await asyncio.sleep(0.08)

    asyncio.run(extract())
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "sleep"
    assert span.attributes[f"{PREFIX}hotspot"].endswith(line_of(extract, 2))


def test_a_loop_in_c_that_waits_holds_nothing(watched):
    """A loop in C has no frame of its own, as uvloop's: the line that runs it is not what the coroutine waits for."""

    @otel_fe.extraction("x")
    async def extract():
        await asyncio.sleep(0)

    class LoopInC:
        run_until_complete = time.sleep

    running = extract()
    running.send(None)
    LoopInC.run_until_complete(0.08)
    with pytest.raises(StopIteration):
        running.send(None)
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "lock"
    assert span.attributes[f"{PREFIX}hotspot"].endswith(line_of(extract, 2))


def test_what_holds_the_event_loop_is_named_on_those_that_wait_for_it(watched):
    """The line is in another task than the extraction's."""

    @otel_fe.extraction("x")
    async def extract():
        for _ in range(3):
            await asyncio.sleep(0.001)

    async def blocks():
        await asyncio.sleep(0.001)
        time.sleep(0.1)  # noqa: ASYNC251 it blocks the loop on purpose

    async def main():
        await asyncio.gather(extract(), blocks())

    asyncio.run(main())
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "event_loop"
    assert span.attributes[f"{PREFIX}hotspot"].endswith(line_of(blocks, 2))


def test_a_coroutine_that_waits_longer_than_the_loop_was_held_did_not_wait_for_it(watched):
    """Held for a while, the loop was free again before what it awaited came."""

    @otel_fe.extraction("x")
    async def extract():
        await asyncio.sleep(0.15)

    async def blocks():
        await asyncio.sleep(0.001)
        time.sleep(0.04)  # noqa: ASYNC251 it blocks the loop on purpose

    async def main():
        await asyncio.gather(extract(), blocks())

    asyncio.run(main())
    assert watched.extraction("x").attributes[f"{PREFIX}bottleneck"] == "sleep"


def test_a_generator_is_seen_while_it_runs(watched):
    """Step by step, on whatever thread runs it."""

    @otel_fe.extraction("x")
    def extract():
        for _ in range(2):
            time.sleep(0.04)
            yield 1

    list(extract())
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "sleep"
    assert span.attributes[f"{PREFIX}hotspot"].endswith(line_of(extract, 3))


def test_threads_are_told_apart(watched):
    """Each extraction has its own thread's lines."""

    @otel_fe.extraction("sleeps")
    def sleeps():
        time.sleep(0.08)

    lock = threading.Lock()

    @otel_fe.extraction("locks")
    def locks():
        with lock:
            pass

    with lock:
        threads = [threading.Thread(target=target) for target in (sleeps, locks)]
        for thread in threads:
            thread.start()
        time.sleep(0.08)
    for thread in threads:
        thread.join()
    assert watched.extraction("sleeps").attributes[f"{PREFIX}bottleneck"] == "sleep"
    assert watched.extraction("locks").attributes[f"{PREFIX}bottleneck"] == "lock"
    assert watched.extraction("locks").attributes[f"{PREFIX}hotspot"].endswith(line_of(locks, 2))


def test_fast_extractions_are_not_looked_at(watched):
    """Fast extractions have no stack and no hotspot, and leave nothing with the watcher."""
    for _ in range(50):
        with otel_fe.extraction("x"):
            pass
    assert all(not span.events for span in watched.extractions("x"))
    assert not registry.opened


def test_nothing_is_watched_where_that_is_off():
    """`OTEL_FE_WATCH_THRESHOLD_S=off`: no thread, no registry."""
    with instrumented(slow_threshold_s=0.01, watch_threshold_s=0.0) as observed:
        assert registry.opened is None
        with otel_fe.extraction("x"):
            time.sleep(0.03)
        assert not any(thread.name == "otel-fe-watcher" for thread in threading.enumerate())
    span = observed.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "unexplained"
    assert f"{PREFIX}hotspot" not in span.attributes


def test_the_thread_begins_and_ends_with_the_instrumentation():
    """The watching thread is prepared before the first extraction, and sleeps until then."""
    with instrumented():
        assert any(thread.name == "otel-fe-watcher" for thread in threading.enumerate())
    assert not any(thread.name == "otel-fe-watcher" for thread in threading.enumerate())


def test_a_coroutine_that_the_application_drops_is_collected(watched):
    """The watcher knows it only weakly: dropped while it waits, it is closed as without us."""
    closed = []

    class Never:
        def __await__(self):
            yield self

    @otel_fe.extraction("x")
    async def extract():
        try:
            await Never()
        finally:
            closed.append(True)

    running = extract()
    running.send(None)
    time.sleep(0.03)
    del running
    assert closed == [True]


def test_a_fault_of_a_look_is_counted_and_the_application_goes_on(monkeypatch):
    """Extractions end as ever."""
    faults.reset()
    monkeypatch.setattr("otel_fe.instrument.watch.look.segment_of", lambda *_: 1 / 0)
    with instrumented(slow_threshold_s=0.01, watch_threshold_s=0.005) as observed:
        with otel_fe.extraction("x"):
            time.sleep(0.03)
        # What the kernel says of the thread, such as its waits for a disk, is known without a look.
        assert observed.extraction("x").attributes[f"{PREFIX}bottleneck"] != "sleep"
    assert faults.counts()["watch.look"] > 0
    faults.reset()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_watches_its_own_extractions(watched):
    """The parent's thread is not in it; another begins with the child's first extraction."""
    with otel_fe.extraction("parent"):
        time.sleep(0.02)
        read, write = os.pipe()
        child = os.fork()
        if not child:  # pragma: no cover (another process)
            answer = b"?"
            try:

                @otel_fe.extraction("x")
                def extract():
                    time.sleep(0.06)

                extract()
                span = watched.extraction("x")
                answer = str(span.attributes[f"{PREFIX}bottleneck"]).encode()
            except BaseException as error:
                answer = repr(error).encode()
            finally:
                os.write(write, answer)
                os._exit(0)
        os.close(write)
        answer = os.read(read, 1000)
        os.close(read)
        os.waitpid(child, 0)
    assert answer == b"sleep"


def test_the_watcher_takes_a_hundredth_of_a_core_at_most():
    """The watcher looks more rarely, by its own CPU clock, however many extractions are slow."""
    with instrumented(slow_threshold_s=0.5, watch_threshold_s=0.005):
        done = threading.Event()

        @otel_fe.extraction("x")
        def extract():
            done.wait(3)

        threads = [threading.Thread(target=extract) for _ in range(32)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        (watcher,) = [thread for thread in threading.enumerate() if thread.name == "otel-fe-watcher"]
        clock = (~watcher.native_id << 3) | 6
        began, used = time.monotonic(), time.clock_gettime(clock)
        time.sleep(1.5)
        share = (time.clock_gettime(clock) - used) / (time.monotonic() - began)
        done.set()
        for thread in threads:
            thread.join()
    assert share < 0.02, "a hundredth, and the look in progress"


def test_greenlets_are_left_alone(monkeypatch):
    """The stack of a thread under gevent is that of whichever greenlet runs, so it is not looked at."""
    import types

    fake = types.ModuleType("gevent.monkey")
    fake.is_module_patched = lambda name: name == "threading"
    monkeypatch.setitem(sys.modules, "gevent.monkey", fake)
    watcher = Watcher(0.005)
    watcher.start()
    assert registry.opened is None
    watcher.stop()


@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="collections start between instructions, not inside of allocations"
)
def test_no_collection_starts_while_frames_of_other_threads_are_walked(monkeypatch, watched):
    """A collection could release the interpreter inside of `f_back`, which would then return memory of another frame."""
    enabled = []
    glimpse = look.glimpse

    def observing(*args):
        enabled.append(gc.isenabled())
        return glimpse(*args)

    monkeypatch.setattr(look, "glimpse", observing)
    with otel_fe.extraction("x"):
        time.sleep(0.05)
    assert enabled
    assert not any(enabled)
    assert gc.isenabled()


def test_a_collector_that_the_application_has_switched_off_stays_off(watched):
    """Holding it off ends with what was before."""
    gc.disable()
    try:
        with otel_fe.extraction("x"):
            time.sleep(0.05)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_collection_on_the_watcher_s_thread_is_not_its_own_work():
    """Charged with the pause of a large heap, it would not look at anything for seconds."""
    pauses = Pauses()
    pauses.watcher = threading.get_ident()
    pauses._noted("start", {})
    busy(0.01)
    pauses._noted("stop", {})
    assert pauses.on_watcher_ns >= 10_000_000
    (pause,) = pauses.between(0, time.perf_counter_ns())
    assert pause.stack[0].function.endswith("test_a_collection_on_the_watcher_s_thread_is_not_its_own_work")


def test_a_collector_that_never_lets_go_of_the_interpreter_is_named(watched, monkeypatch):
    """Each garbage collection reports the line where it began, even if the watcher never gets to look."""
    monkeypatch.setattr(Watcher, "_look", lambda *_: None)

    @otel_fe.extraction("x")
    def extract():
        PAUSES._noted("start", {})
        busy(0.08)
        PAUSES._noted("stop", {})

    gc.disable()  # or a collection of its own would come in between
    try:
        extract()
    finally:
        gc.enable()
    span = watched.extraction("x")
    assert causes(span)["gc"] >= 0.08
    (event,) = [event for event in span.events if event.name == STACKS]
    (line,) = [line for line in event.attributes[f"{STACKS}.top"] if line.startswith("gc ")]
    assert line_of(extract, 4) in line


def test_temporaries_are_seen_though_they_are_gone_at_the_end(watched):
    """Resident memory is read at each look; it is that of the whole process."""
    with otel_fe.extraction("x"):
        temporary = bytearray(100_000_000)
        temporary[::4096] = b"x" * len(range(0, len(temporary), 4096))
        time.sleep(0.1)
        del temporary
    attributes = watched.extraction("x").attributes
    assert attributes[f"{PREFIX}memory.peak"] - attributes[f"{PREFIX}memory.usage"] > 50_000_000
