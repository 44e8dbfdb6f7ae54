"""One tracer of `opentelemetry-instrumentation-sqlalchemy` for an engine, not two; plans on spans of slow statements; less time.

The instrumentation wraps `create_async_engine`, and `create_engine`, which that calls: each listens to the same engine. Each starts
a span for a statement, the second in the place of the first, which so is never ended: its trace would wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.instrument.libraries.instrumented import asked_directly
from otel_fe.instrument.libraries.sqlalchemy_plans import noting
from otel_fe.instrument.patch import Patch
from otel_fe.sdk.summed_counter import SummedCounter

if TYPE_CHECKING:
    from collections.abc import Callable


def patches() -> list[Patch]:
    """Return what to replace in the instrumentation, now that it is imported."""
    from opentelemetry.instrumentation.sqlalchemy import engine  # noqa: PLC0415 only once the launcher has

    return [
        Patch(engine.EngineTracer, "__init__", _once),
        Patch(engine, "_after_cur_exec", noting),
        Patch(engine, "is_instrumentation_enabled", asked_directly),
    ]


def _once(original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, tracer: Any, engine: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        listened = getattr(type(self), "_remove_event_listener_params", ())
        if not any(entry[0]() is engine for entry in list(listened)):
            original(self, tracer, engine, *args, **kwargs)
            _sum_usage(self)

    return __init__


def _sum_usage(tracer: Any) -> None:
    """Have the changes of `db.client.connections.usage` summed: the four in each use of a connection took more than its spans."""
    counter = getattr(tracer, "connections_usage", None)
    if hasattr(counter, "add"):
        tracer.connections_usage = SummedCounter(counter)
