"""One tracer of `opentelemetry-instrumentation-sqlalchemy` for an engine, not two; and plans on the spans of slow statements.

The instrumentation wraps `create_async_engine`, and `create_engine`, which that calls: each listens to the same engine. Each starts
a span for a statement, the second in the place of the first, which so is never ended: its trace would wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.instrument.libraries.sqlalchemy_plans import noting
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable


def patches() -> list[Patch]:
    """Return what to replace in the instrumentation, now that it is imported."""
    from opentelemetry.instrumentation.sqlalchemy import engine  # noqa: PLC0415 only once the launcher has

    return [Patch(engine.EngineTracer, "__init__", _once), Patch(engine, "_after_cur_exec", noting)]


def _once(original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, tracer: Any, engine: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        listened = getattr(type(self), "_remove_event_listener_params", ())
        if not any(entry[0]() is engine for entry in list(listened)):
            original(self, tracer, engine, *args, **kwargs)

    return __init__
