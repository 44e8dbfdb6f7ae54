"""Flushes all providers of the SDK within one time limit.

The SDK bounds none of it: flushing and shutting down wait for each exporter's retries in turn, 10 s or more a signal where the
backend is gone, and metrics that could be sent wait for traces that cannot.
"""

from __future__ import annotations

import atexit
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from otel_fe.sdk.standby import Standby

_HANDLERS = ("_atexit_handler", "_at_exit_handler")
"""The attribute in which the SDK's providers keep their exit handler."""


class Providers:
    """Providers of an application, the tracer providers first: metrics count the exported spans.

    Args:
        traces: Tracer providers beside the global one.
        meters: Meter providers beside the global one.
    """

    def __init__(self, traces: Sequence[object] = (), meters: Sequence[object] = ()) -> None:
        self._traces = tuple(traces)
        self._meters = tuple(meters)

    def flush(self) -> None:
        """Export everything, for as long as it takes."""
        for provider in (*self._tracers(), *self._others()):
            _flush(provider)

    def export(
        self, standby: Standby, timeout_s: float, prepare: Callable[[], None], started: list[Event], *, final: bool
    ) -> None:
        """Export everything that can be exported within the timeout.

        Args:
            standby: Runs it.
            timeout_s: For all of it. Spans that take longer than half of it are sent beside metrics and logs, not before.
            prepare: Called first, on the same thread as the export of spans. It must not raise.
            started: Gets an event for each part as it starts; one that is not set afterwards has not ended within the timeout.
            final: Whether the process ends: shut down the providers that the SDK would shut down at the exit.
        """
        deadline = monotonic() + timeout_s
        traces, others = self._tracers(), self._others()
        act = _shut_down if final else _flush

        def first() -> None:
            prepare()
            for provider in traces:
                act(provider)

        def second() -> None:
            for provider in others:
                act(provider)

        started.append(standby.run(first))
        started[-1].wait(timeout_s / 2)
        started.append(standby.run(second))
        for event in started:
            event.wait(max(0.0, deadline - monotonic()))
        if final:
            for provider in (*traces, *others):
                _leave_exit(provider)

    def _tracers(self) -> list[object]:
        return list(dict.fromkeys((*self._traces, trace.get_tracer_provider())))

    def _others(self) -> list[object]:
        return list(dict.fromkeys((*self._meters, metrics.get_meter_provider(), get_logger_provider())))


def _flush(provider: object) -> None:
    _guarded(getattr(provider, "force_flush", None))


def _shut_down(provider: object) -> None:
    """Shut a provider down if its application leaves that to the SDK, else only export what it holds."""
    ending = any(getattr(provider, name, None) is not None for name in _HANDLERS)
    _guarded(getattr(provider, "shutdown" if ending else "force_flush", None))


def _leave_exit(provider: object) -> None:
    for name in _HANDLERS:
        handler: Any = getattr(provider, name, None)
        if handler is not None:
            atexit.unregister(handler)


def _guarded(work: Any) -> None:
    if work is None:
        return
    try:
        work()
    except Exception as fault:
        faults.record("flush.provider", fault)
