"""scikit-learn's work in joblib's threads and processes: part of the call that handed it out.

A thread continues in the caller's context. A process gets the trace's ids in a string, which it does not look at unless otel_fe
is switched on there as well: then its spans belong to the same trace, and are no extractions of their own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span

from otel_fe import faults
from otel_fe.instrument import runtime
from otel_fe.instrument.libraries.calls import LibraryCall, innermost
from otel_fe.instrument.libraries.sklearn_estimators import KIND
from otel_fe.instrument.patch import Patch
from otel_fe.sdk.context import SPAN_KEY, get_context, reset_context, set_context

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from contextvars import Token

    Entered = tuple[Token[Context], Token[LibraryCall | None]]

_CARRIED: Final = "_otel_fe_carried"
"""Attribute of a task; scikit-learn's own, and pickled with it."""


def patches() -> list[Patch]:
    """Return what to replace in what scikit-learn hands to joblib; it has moved from `fixes` to `parallel`."""
    homes = [sys.modules.get(f"sklearn.utils.{name}") for name in ("parallel", "fixes")]
    tasks = {found for home in homes if (found := getattr(home, "_FuncWrapper", None)) is not None}
    parallel = getattr(homes[0], "Parallel", None)
    if parallel is None or "__call__" not in vars(parallel):  # before scikit-learn 1.3 it was joblib's
        parallel = sys.modules["joblib"].Parallel
    return [*(Patch(task, "__call__", _running) for task in tasks), Patch(parallel, "__call__", _handing_out(tasks))]


class Carried:
    """The context that a task was made in; only its ids, once pickled."""

    __slots__ = ("call", "context", "ids")

    def __init__(self) -> None:
        self.context = get_context()
        self.call = innermost.get()
        span = get_current_span(self.context).get_span_context()
        self.ids = f"{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (self.ids,)


def _handing_out(tasks: set[type]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what marks scikit-learn's tasks where they are handed out: some are only made by joblib's threads."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(self: Any, iterable: Any) -> Any:
            carried = None if runtime.current is None or innermost.get() is None else _carried()
            return original(self, iterable if carried is None else _marked(iterable, tasks, carried))

        return replacement

    return make


def _carried() -> Carried | None:
    """Return what this context's tasks carry. Never raises."""
    try:
        return Carried()
    except Exception as fault:
        faults.record("sklearn.task", fault)
        return None


def _marked(tasks: Iterable[Any], kinds: set[type], carried: Carried) -> Generator[Any, None, None]:
    for task in tasks:
        if isinstance(task, tuple) and task and type(task[0]) in kinds:
            setattr(task[0], _CARRIED, carried)
        yield task


def _running(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        carried = self.__dict__.get(_CARRIED)
        entered = None if carried is None or runtime.current is None else _entered(carried)
        if entered is None:
            return original(self, *args, **kwargs)
        try:
            return original(self, *args, **kwargs)
        finally:
            _left(entered)

    return replacement


def _entered(carried: Carried | str) -> Entered | None:
    """Enter the context that a task carries; None where this thread is in it already. Never raises."""
    try:
        if innermost.get() is not None:
            return None
        if isinstance(carried, Carried):
            return set_context(carried.context), innermost.set(carried.call)
        trace_id, span_id, flags = (int(part, 16) for part in carried.split("-"))
        remote = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags)))
        elsewhere = LibraryCall(KIND, "", (), {})
        elsewhere.started = True
        return set_context(Context({**get_context(), SPAN_KEY: remote})), innermost.set(elsewhere)
    except Exception as fault:
        faults.record("sklearn.worker", fault)
        return None


def _left(entered: Entered) -> None:
    """Leave it. Never raises."""
    try:
        innermost.reset(entered[1])
        reset_context(entered[0])
    except Exception as fault:
        faults.record("sklearn.worker", fault)
