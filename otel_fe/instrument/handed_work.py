"""Work that an extraction hands to threads and executors of its process: their stacks and CPU time are the extraction's own.

`Thread.start`, `ThreadPoolExecutor.submit`, `asyncio.to_thread` and `loop.run_in_executor` inside an extraction register the thread
with it for as long as that work runs. While the extraction waits for it, the watcher looks at the thread that works. Work that was
handed over without waiting for it explains nothing, since the extraction does something else meanwhile.
"""

from __future__ import annotations

from _thread import get_ident
from time import thread_time_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.greenlets import share_this_thread
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_fe.instrument.extraction import Extraction
    from otel_fe.instrument.imports import ImportHooks

_FOR: Final = "_otel_fe_extraction"
"""Attribute of a thread or a work item: the extraction that handed it over."""
_MOST_WORKERS: Final = 64
"""Threads of one extraction that are known at a time."""


class HandedWork:
    """The hooks of threads and executors."""

    def __init__(self) -> None:
        self._patches: list[Patch] = []

    def install(self, hooks: ImportHooks) -> None:
        """Hook threads now, and executors when they are imported."""
        hooks.on_import("threading", self._hook_threads)
        hooks.on_import("concurrent.futures.thread", self._hook_executors)

    def remove(self) -> None:
        """Remove all hooks."""
        while self._patches:
            self._patches.pop().remove()

    def _hook_threads(self, module: ModuleType) -> None:
        self._apply(module.Thread, "start", _starting)
        self._apply(module.Thread, "_bootstrap_inner", _working)

    def _hook_executors(self, module: Any) -> None:
        self._apply(module._WorkItem, "__init__", _noting)
        self._apply(module._WorkItem, "run", _working)

    def _apply(self, owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        patch = Patch(owner, name, make)
        self._patches.append(patch)
        patch.apply()


def handed_work(running: Extraction, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function as work of an extraction, on this thread.

    Stacks end at this frame: below it is the executor, which has no part in the extraction.
    """
    ident = get_ident()
    workers = running.workers
    if workers is None:
        workers = running.workers = {}
    before = workers.get(ident)
    if running.ended or share_this_thread() or (before is None and len(workers) >= _MOST_WORKERS):
        return function(*args, **kwargs)
    began_ns = thread_time_ns()
    workers[ident] = began_ns if before is None else before
    try:
        return function(*args, **kwargs)
    finally:
        if before is None:
            workers.pop(ident, None)
            running.worked(thread_time_ns() - began_ns)


def _starting(original: Callable[..., Any]) -> Callable[..., Any]:
    def start(self: Any) -> Any:
        _note(self)
        return original(self)

    return start


def _noting(original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 it replaces one
        original(self, *args, **kwargs)
        _note(self)

    return __init__


def _note(work: Any) -> None:
    """Remember the extraction that hands over work; never raises."""
    try:
        running = current_extraction()
        if running is not None and not _outlives(work):
            setattr(work, _FOR, running)
    except Exception as fault:
        faults.record("handed.note", fault)


def _outlives(work: Any) -> bool:
    """Return whether it is a thread that only happens to be started in an extraction: an executor's, or one of otel_fe's own."""
    target = getattr(work, "_target", None)
    name = str(getattr(work, "_name", ""))
    return getattr(target, "__module__", "") == "concurrent.futures.thread" or name.startswith("otel-fe-")


def _working(original: Callable[..., Any]) -> Callable[..., Any]:
    def work(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = self.__dict__.pop(_FOR, None)
        if running is None:
            return original(self, *args, **kwargs)
        return handed_work(running, original, self, *args, **kwargs)

    return work
