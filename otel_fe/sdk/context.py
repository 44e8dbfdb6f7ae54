"""The OpenTelemetry context, without the two calls that the API puts before its context variable.

The API keeps its context in one `ContextVar`, behind a pluggable class that is practically always the same one. Where it is
that one, the variable is used directly; if another implementation is plugged in, its methods are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import _RUNTIME_CONTEXT, Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace.propagation import _SPAN_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

SPAN_KEY: Final[str] = _SPAN_KEY
"""The key under which the API keeps the current span."""


def _direct() -> tuple[Callable[[], Any], Callable[[Context], Any], Callable[[Any], None]]:
    if type(_RUNTIME_CONTEXT) is ContextVarsRuntimeContext:
        variable: Any = _RUNTIME_CONTEXT._current_context
        return variable.get, variable.set, variable.reset
    return otel_context.get_current, otel_context.attach, otel_context.detach


get_context, set_context, reset_context = _direct()
"""Return the current context; replace it, returning a token; go back by that token.

A token of another thread's or task's context is a ValueError here, where the API logs it: callers catch it.
"""


def is_local_root(parent: SpanContext | None) -> bool:
    """Return whether a span with this parent is the first of its trace in this process."""
    return parent is None or parent.is_remote
