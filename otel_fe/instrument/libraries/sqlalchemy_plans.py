"""Plans of slow statements on the spans of `opentelemetry-instrumentation-sqlalchemy`.

The statement that is slow first has its plan in a log record of its trace: it comes when the span has ended. Those that follow
have it in an event of their span.
"""

from __future__ import annotations

import functools
import weakref
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import SeverityNumber, get_logger_provider
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from otel_fe import faults, plan_event, semconv
from otel_fe.instrument.plans import asking
from otel_fe.instrument.plans.databases import explainer, plan_of
from otel_fe.instrument.plans.explainable import may_be_explained
from otel_fe.profiles.repeated_calls import statement_shape
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.plans.asking import Plans

_SPAN: Final = "_otel_span"
"""Of the instrumentation, on the context of an execution."""


def noting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Check an executed statement, before the instrumentation ends its span."""

    def after_cursor_execute(
        conn: Any, cursor: Any, statement: Any, params: Any, context: Any, executemany: Any
    ) -> Any:
        plans = asking.current
        if plans is not None and not executemany:
            try:
                _note(plans, conn, statement, getattr(context, _SPAN, None))
            except Exception as fault:
                faults.record("sqlalchemy.plan", fault)
        return original(conn, cursor, statement, params, context, executemany)

    return after_cursor_execute


def _note(plans: Plans, connection: Any, statement: str, span: Any) -> None:
    started = getattr(span, "start_time", None)
    if started is None or time_ns() - started < plans.threshold_ns or not span.is_recording():
        return
    engine = connection.engine
    if explainer(engine) is None or not may_be_explained(statement):
        return
    # Weakly: an engine that the application has dropped is not kept for a plan.
    ask = functools.partial(_ask, weakref.ref(engine), weakref.ref(engine.pool), statement)
    key = engine.dialect.name, engine.url.host, engine.url.port, engine.url.database, statement_shape(statement)
    plan = plans.of(key, ask, functools.partial(_emit, span.get_span_context()))
    if plan:
        span.add_event(plan_event.EVENT, {plan_event.TEXT: plan})


def _ask(engine: weakref.ref[Any], pool: weakref.ref[Any], statement: str) -> str:
    its_engine, its_pool = engine(), pool()
    return "" if its_engine is None or its_pool is None else plan_of(its_engine, its_pool, statement)


def _emit(span_context: SpanContext, plan: str) -> None:
    """Send a plan after its span: a log record of the same trace and span."""
    get_logger_provider().get_logger(semconv.SCOPE_NAME, __version__).emit(
        timestamp=time_ns(),
        context=set_span_in_context(NonRecordingSpan(span_context)),
        severity_number=SeverityNumber.INFO,
        severity_text=SeverityNumber.INFO.name,
        body=plan,
        event_name=plan_event.EVENT,
    )
