"""Work that extractions hand to executors and threads: its stacks and CPU time are the extraction's."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import otel_fe
from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.stack_lines import stack_of
from tests.observed import instrumented
from tests.unit.instrument.watch.spans import PREFIX, causes

HERE = Path(__file__).name


def lines(span, cause):
    """Return the lines that took time of a cause."""
    return " ".join(
        line
        for event in span.events
        for line in event.attributes.get(f"{PREFIX}stacks.top", ())
        if line.startswith(f"{cause} ")
    )


def busy():
    end = time.thread_time() + 0.6
    while time.thread_time() < end:
        sum(range(500))


def pause():
    time.sleep(0.15)


def in_a_pool(function):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(function).result()


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def in_to_thread(function):
    async def main():
        await asyncio.to_thread(function)

    asyncio.run(main())


HANDING = pytest.mark.parametrize("handing", [in_a_pool, in_a_thread, in_to_thread])


def own_stack():
    """Return the names of the functions on this thread's stack, as the watcher would see them, without this one."""
    return [line.function.rpartition(".")[2] for line in stack_of(sys._getframe(1))]


@pytest.mark.parametrize(
    ("handing", "below"), [(in_a_pool, []), (in_a_thread, ["_bootstrap_inner"]), (in_to_thread, [])]
)
def test_stack_of_handed_work_ends_where_it_was_handed_over(watched, handing, below):
    """What lies below, the executor and its thread, has no part in the extraction."""
    stacks = []

    def handed():
        stacks.append(own_stack())

    with otel_fe.extraction("x"):
        handing(handed)
    watched.extraction("x")
    assert stacks == [["handed", "run", *below]]


def test_stack_of_an_extraction_in_a_pool_ends_at_its_wrapper(watched):
    """The pool called the extraction: nothing was handed over."""
    stacks = []

    @otel_fe.extraction("x")
    def extract():
        stacks.append(own_stack())

    in_a_pool(extract)
    watched.extraction("x")
    assert stacks == [["extract"]]


@HANDING
def test_what_a_worker_computes_is_cpu_of_the_extraction(watched, handing):
    """CPU of a worker counts with its line and in `cpu.time`, and explains the parent, which waits for a lock."""
    with otel_fe.extraction("x"):
        handing(busy)
    span = watched.extraction("x")
    found = causes(span)
    assert max({name: found[name] for name in found if name != "cpu_wait"}, key=found.get) == "cpu"
    assert found.get("lock", 0) < 0.3 * sum(found.values())
    assert re.search(rf"{HERE}:\d+ busy ", lines(span, "cpu"))
    assert span.attributes[f"{PREFIX}cpu.time"] >= 0.15


@HANDING
def test_what_a_worker_waits_for_is_what_the_extraction_waits_for(watched, handing):
    """The cause of an extraction that waits for a sleeping worker is the sleep, not a lock."""
    with otel_fe.extraction("x"):
        handing(pause)
    span = watched.extraction("x")
    found = causes(span)
    assert max({name: found[name] for name in found if name != "cpu_wait"}, key=found.get) == "sleep"
    assert f"{HERE}:{pause.__code__.co_firstlineno + 1} pause" in lines(span, "sleep")


def test_a_coroutine_that_waits_for_an_executor_is_explained_by_its_thread(watched):
    """A suspended coroutine with an idle event loop is explained by the thread that works for it."""

    @otel_fe.extraction("x")
    async def extract():
        await asyncio.get_running_loop().run_in_executor(None, pause)

    asyncio.run(extract())
    span = watched.extraction("x")
    assert max(causes(span), key=causes(span).get) == "sleep"
    assert f"{HERE}:{pause.__code__.co_firstlineno + 1} pause" in lines(span, "sleep")


def test_overlapping_workers_add_up_to_the_duration(watched):
    """CPU time of several threads is more than the time that the parent has waited."""
    with otel_fe.extraction("x"), ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: busy(), range(4)))
    span = watched.extraction("x")
    causes(span)
    assert span.attributes[f"{PREFIX}cpu.time"] >= 0.6


def test_work_that_nothing_waits_for_explains_nothing(watched):
    """The extraction sleeps itself, at its own line."""
    done = threading.Event()
    with otel_fe.extraction("x"):
        thread = threading.Thread(target=done.wait, args=(5,))
        thread.start()
        pause()
    done.set()
    thread.join()
    found = causes(watched.extraction("x"))
    assert max(found, key=found.get) == "sleep"


def test_an_executor_s_own_thread_works_for_who_submits(watched):
    """A thread of an executor counts for the extraction that submits the work, not for the one that started the thread."""
    pool = ThreadPoolExecutor(1)
    with otel_fe.extraction("first"):
        pool.submit(int).result()
    pool.submit(int).result()  # when that has run, the one before is over altogether
    seen = []
    with otel_fe.extraction("second") as second:
        pool.submit(lambda: seen.append(list(second.workers))).result()
        assert current_extraction() is second
    pool.shutdown()
    assert len(seen[0]) == 1, "the thread itself was started by the first"
    assert not second.workers


def test_nothing_is_hooked_without_the_watcher():
    """No function is hooked without the watcher, or after it was switched off."""
    before = threading.Thread.start, threading.Thread._bootstrap_inner
    with instrumented(watch_threshold_s=0.0):
        assert (threading.Thread.start, threading.Thread._bootstrap_inner) == before
    with instrumented(watch_threshold_s=0.005):
        assert threading.Thread.start is not before[0]
    assert (threading.Thread.start, threading.Thread._bootstrap_inner) == before


def test_a_worker_s_exception_is_its_future_s():
    """Work runs as ever."""
    with instrumented(watch_threshold_s=0.005), otel_fe.extraction("x"), ThreadPoolExecutor(1) as pool:
        future = pool.submit(int, "no number")
        with pytest.raises(ValueError, match="no number"):
            future.result()
