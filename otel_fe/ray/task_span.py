"""Runs a `ray.remote` task in the trace context that it was submitted in."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from otel_fe import faults, semconv
from otel_fe.instrument import runtime
from otel_fe.ray.ray_import import ray_module
from otel_fe.ray.request import ServeRequest, current
from otel_fe.sdk.exceptions import error_type_of, record_exception
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType

REQUEST: Final = "request"
"""Key, beside those of the propagators, of the fields of the request that the task works for."""


def run(
    function: Callable[..., Any], carrier: Mapping[str, Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a task's function inside the context that it was submitted in; a generator runs in it to its end.

    What calls this was pickled with the task, maybe by another version of otel_fe: the arguments stay as they are.
    """
    if carrier is None:
        return function(*args, **kwargs)
    if inspect.isgeneratorfunction(function):  # the call does nothing yet
        return _generate(function, carrier, function(*args, **kwargs))
    with TaskSpan(function, carrier):
        result = function(*args, **kwargs)
    # A decorated generator function need not look like one. It has two spans: of its call, and of what follows.
    return _generate(function, carrier, result) if inspect.isgenerator(result) else result


def _generate(
    function: Callable[..., Any], carrier: Mapping[str, Any], results: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    with TaskSpan(function, carrier):
        return (yield from results)


class TaskSpan:
    """The span of a task where it runs, named and described as Ray's own tracing does. Only the task's errors leave it."""

    def __init__(self, function: Callable[..., Any], carrier: Mapping[str, Any]) -> None:
        self._function = f"{function.__module__}.{function.__name__}"
        self._carrier = carrier
        self._entered: Any = None
        self._token: Any = None
        self._span: Any = None

    def __enter__(self) -> None:
        try:
            self._enter()
        except Exception as fault:
            faults.record("ray.task", fault)

    def _enter(self) -> None:
        tracer = trace.get_tracer(semconv.SCOPE_NAME, __version__)
        self._entered = tracer.start_as_current_span(
            f"{self._function} ray.remote_worker",
            context=propagate.extract(self._carrier),
            kind=SpanKind.CONSUMER,
            attributes=_described(self._function),
            record_exception=False,
            set_status_on_exception=False,
        )
        self._span = self._entered.__enter__()
        request = self._carrier.get(REQUEST)
        self._token = current.set(ServeRequest(*request) if request else None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        try:
            if self._token is not None:
                current.reset(self._token)
            if self._span is not None and isinstance(error, Exception):
                messages = runtime.current is not None and runtime.current.exception_messages
                record_exception(self._span, error, error_type_of(error), with_message=messages)
        except Exception as fault:
            faults.record("ray.task", fault)
        try:
            if self._entered is not None:
                self._entered.__exit__(kind, error, stack)
        except Exception as fault:
            faults.record("ray.task.end", fault)


def _described(function: str) -> dict[str, str]:
    here = ray_module().get_runtime_context()
    return {
        "ray.remote": "function",
        "ray.function": function,
        "ray.task_id": here.get_task_id() or "",
        "ray.job_id": here.get_job_id(),
        "ray.node_id": here.get_node_id(),
    }
