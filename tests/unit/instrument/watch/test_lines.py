"""Stacks, chains of awaits, instructions: what is copied from frames, and whose code it is."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import weakref

import pytest

import otel_fe
from otel_fe.instrument.causes.instruction import WITH, names_at
from otel_fe.instrument.causes.system_calls import FAULTING, RUNNING, Waiting
from otel_fe.instrument.causes.waits import awaits, by_names, wait_of
from otel_fe.instrument.stack_lines import MOST_FRAMES, awaits_of, is_own, own_line, shown, stack_of
from otel_fe.instrument.watch.threads import ThreadFiles, cpu_clock_ns, interpreter_lock

HERE = __file__


def test_a_stack_ends_at_the_extraction_s_wrapper():
    """A stack begins at the innermost line and excludes the extraction's callers (here pytest)."""

    @otel_fe.extraction("x")
    def outer():
        return inner()

    def inner():
        return stack_of(sys._getframe())

    outer()  # not instrumented: the wrapper's frame is there all the same
    names = [line.function.rpartition(".")[2] for line in outer()]
    assert names == ["inner", "outer"]


def test_a_deep_stack_keeps_its_innermost_and_outermost_frames():
    """Bounded, however deep a recursion is."""

    def down(n):
        return down(n - 1) if n else stack_of(sys._getframe())

    stack = down(300)
    assert len(stack) == MOST_FRAMES
    names = [line.function.rpartition(".")[2] for line in stack]
    assert names[0] == "down"
    assert names[-1] != "down", "and its outermost"


def test_no_frame_and_no_local_is_kept():
    """A value that was on the stack is gone as soon as its function has returned."""

    class Value:
        pass

    def holds():
        value = Value()
        return weakref.ref(value), stack_of(sys._getframe()), names_at(sys._getframe())

    gone, stack, _ = holds()
    gc.collect()
    assert gone() is None
    assert all(type(part) in {str, int} for line in stack for part in line)


def test_lines_are_shown_relative_to_where_python_found_them():
    """A line is shown with its path relative to the entry of `sys.path`, without the folders above."""
    (line, *_) = stack_of(sys._getframe())
    text = shown(line)
    assert text.endswith(f"test_lines.py:{line.number} test_lines_are_shown_relative_to_where_python_found_them")
    assert not text.startswith("/")


def test_own_code_is_the_application_s():
    """Code of Python, of an installed package or of otel_fe is not the application's; the demo's and interactive code is."""
    assert is_own(HERE)
    assert is_own("<stdin>")
    assert is_own("<ipython-input-3>")
    assert is_own(otel_fe.__file__.replace("__init__.py", "demo/service.py"))
    assert not is_own(otel_fe.__file__.replace("__init__.py", "instrument/extraction.py"))
    assert not is_own(threading.__file__)
    assert not is_own(pytest.__file__)
    assert not is_own("<frozen importlib._bootstrap>")
    assert own_line(()) is None


def test_the_awaits_of_a_suspended_coroutine_are_seen():
    """A suspended coroutine's stack includes a task that it awaits; the innermost line comes first."""

    async def innermost():
        await asyncio.sleep(5)

    async def middle():
        await asyncio.create_task(innermost())

    async def outer():
        await middle()

    async def main():
        task = asyncio.create_task(outer())
        await asyncio.sleep(0.01)
        stack, _ = awaits_of(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return stack

    names = [line.function.rpartition(".")[2] for line in asyncio.run(main())]
    assert names[-2:] == ["middle", "outer"]


def test_what_a_coroutine_awaits_is_told_by_where_it_waits():
    """Sleeping, a lock, a stream."""

    async def sleeps():
        await asyncio.sleep(5)

    async def locks():
        lock = asyncio.Lock()
        await lock.acquire()
        await lock.acquire()

    async def reads():
        await asyncio.StreamReader().read()

    async def main():
        found = []
        for wanted in (sleeps, locks, reads):
            task = asyncio.create_task(wanted())
            await asyncio.sleep(0)
            found.append(awaits(awaits_of(task.get_coro())[0]))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return found

    assert asyncio.run(main()) == ["sleep", "lock", "seen_call"]


def test_a_suspended_generator_is_seen_where_it_yielded():
    """A suspended generator's stack is the line of its `yield`, although no thread runs it."""

    def numbers():
        yield 1

    running = numbers()
    next(running)
    ((line, *_), _) = awaits_of(running)
    assert line.function.endswith("numbers")


def waiting_thread(target):
    """Start a thread that waits, and return it with its frame's names once it does."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    time.sleep(0.05)
    return thread


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_system_tells_what_a_thread_waits_in():
    """A lock by name and by `with`, a sleep, and one that runs."""
    lock, stop = threading.Lock(), threading.Event()
    lock.acquire()

    def acquires():
        lock.acquire()
        lock.release()

    def enters():
        with lock:
            pass

    def sleeps():
        time.sleep(1)

    def runs():
        while not stop.is_set():
            pass

    threads = [waiting_thread(target) for target in (acquires, enters, sleeps, runs)]
    files, address = ThreadFiles(), interpreter_lock()
    found = []
    for thread in threads:
        frame = sys._current_frames()[thread.ident]
        stack, names = stack_of(frame), names_at(frame)
        del frame
        found.append((wait_of(files.waiting(thread.native_id), stack, names, address, 0.0), WITH in names))
        assert cpu_clock_ns(thread.native_id) > 0
        assert files.core_wait_ns(thread.native_id) >= 0
    lock.release()
    stop.set()
    files.close()
    assert found[:3] == [("lock", False), ("lock", True), ("sleep", False)]
    assert found[3][0] in {"", "gil"}, "it runs, or waits for us"


def test_an_ended_thread_has_no_clock_and_no_files():
    """An ended thread raises no error: every reading is the value for "unknown"."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):  # its interpreter has ended, not yet the thread
        time.sleep(0.001)
    files = ThreadFiles()
    assert cpu_clock_ns(thread.native_id) == -1
    assert files.waiting(thread.native_id).call < -2
    assert files.core_wait_ns(thread.native_id) == -1
    assert cpu_clock_ns(0) == -1
    files.close()


def test_what_cannot_be_asked_is_told_by_names():
    """Other platforms, and containers that hide `/proc`, fall back to names."""
    assert by_names((), frozenset(("time", "sleep"))) == "sleep"
    assert by_names((), frozenset(("self", "_lock", "acquire"))) == "lock"
    assert by_names((), frozenset(("sock", "recv"))) == "seen_call"
    assert by_names((), frozenset(("os", "fsync"))) == "disk"
    assert by_names((), frozenset(("total",))) == ""


def test_a_fault_of_a_page_and_a_runner_are_told_apart():
    """A page fault and a running thread are distinguished, although neither is in a system call."""
    assert wait_of(Waiting(FAULTING), (), frozenset(), range(0), 0.0) == "page_faults"
    assert wait_of(Waiting(RUNNING), (), frozenset(), range(0), 0.0) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="numbers of system calls")
def test_a_futex_is_the_interpreter_s_a_lock_or_a_wait_for_native_threads():
    """A futex is told by its address, by what the statement calls, and by the CPU of threads that are not Python's."""
    from otel_fe.instrument.causes import system_calls

    number = next((n for n, kind in system_calls.KINDS.items() if kind == system_calls.FUTEX), None)
    if number is None:
        pytest.skip("another architecture")
    gil = range(1000, 2000)
    dots, acquires = frozenset(("np", "dot")), frozenset(("lock", "acquire"))
    assert wait_of(Waiting(number, 1500), (), acquires, gil, 3.0) == "gil"
    assert wait_of(Waiting(number, 5000), (), dots, gil, 3.0) == "native_threads"
    assert wait_of(Waiting(number, 5000), (), dots, gil, 0.0) == "lock"
    assert wait_of(Waiting(number, 5000), (), acquires, gil, 3.0) == "lock"
