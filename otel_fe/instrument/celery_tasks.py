"""Celery tasks as targets: the task stays the object that is registered, and what it runs becomes an extraction.

A worker does not look a task up in its module but in the application's registry, and calls the `run` that `build_tracer` took
from it. So `run` is replaced on the task, which has `delay`, `apply_async` and all else as before. A task that a decorator
makes lazily is not evaluated for it: its application may not be configured yet.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_log: Final = logging.getLogger("otel_fe")


def is_task(held: object) -> bool:
    """Return whether something is a Celery task, or a proxy of one; imports and evaluates nothing."""
    if _is_lazy(held) or _is_shared(held):
        return True
    task: Any = sys.modules.get("celery.app.task")  # imported when an application makes its first task
    return task is not None and issubclass(type(held), task.Task)


def _is_lazy(held: object) -> bool:
    """Return whether it is what `app.task` returns, which makes the task when it is first used."""
    local: Any = sys.modules.get("celery.local")
    return local is not None and issubclass(type(held), local.PromiseProxy)


def _is_shared(held: object) -> bool:
    """Return whether it is what `shared_task` returns, which has one task per application."""
    local: Any = sys.modules.get("celery.local")
    if local is None or type(held) is not local.Proxy:
        return False
    source: Any = object.__getattribute__(held, "_Proxy__local")
    return getattr(source, "__name__", "") == "task_by_cons"


class TaskTarget:
    """A task that runs its extraction until `undo`.

    Args:
        held: The task, or its proxy.
        module: The module of its function.
        qualname: The name of its function there.
        make: Returns the replacement of its function.
    """

    def __init__(
        self, held: Any, module: str, qualname: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        self._names = module, qualname
        self._make = make
        self._replaced: list[tuple[Any, Any, Any]] = []
        """Task, the entry of its `__dict__` before, and the entry now."""
        self._undone = False
        if _is_lazy(held):
            held.__then__(self._evaluated, held)
        elif _is_shared(held):
            self._replace_shared()
        else:
            self._replace(held)

    def undo(self) -> None:
        """Restore the task's own function, unless another replacement is there, which calls ours."""
        self._undone = True
        while self._replaced:
            task, before, after = self._replaced.pop()
            if vars(task).get("run") is not after:
                continue
            if before is None:
                del task.run
            else:
                task.run = before
            _trace_again(task)

    def _evaluated(self, promise: Any) -> None:
        try:
            self._replace(promise._get_current_object())
        except Exception as fault:  # noqa: BLE001 the application has evaluated its task: it gets it
            self._warn(fault)

    def _replace_shared(self) -> None:
        """Replace it in every application, each when that has made its copy."""
        state: Any = sys.modules["celery._state"]
        state.connect_on_app_finalize(
            lambda app: app.on_after_finalize.connect(lambda **_: self._replace_in(app), weak=False)
        )
        for app in state._get_active_apps():
            if app.finalized:
                self._replace_in(app)

    def _replace_in(self, app: Any) -> None:
        try:
            for task in list(app._tasks.values()):
                if (task.__module__, getattr(task, "__qualname__", "")) == self._names:
                    self._replace(task)
        except Exception as fault:  # noqa: BLE001 the application goes on to its own start
            self._warn(fault)

    def _warn(self, fault: Exception) -> None:
        _log.warning("otel_fe: %s:%s is not wrapped: %s: %s", *self._names, type(fault).__name__, fault)

    def _replace(self, task: Any) -> None:
        if self._undone or any(one is task for one, _, _ in self._replaced):
            return
        before = vars(task).get("run")
        task.run = after = self._make(task.run)
        self._replaced.append((task, before, after))
        _trace_again(task)


def _trace_again(task: Any) -> None:
    """Make a worker that has already read the task's function read it again."""
    if task.__trace__ is not None:
        trace: Any = sys.modules["celery.app.trace"]
        task.__trace__ = trace.build_tracer(task.name, task, app=task.app)
