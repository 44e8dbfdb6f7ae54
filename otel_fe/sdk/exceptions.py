"""Records an exception on a span, without the data that its message may quote.

Messages quote what they complain about: a feature value, a cache key, the parameters of an SQL statement. By default a span
gets the exception's type and where it was raised; `OTEL_FE_EXCEPTION_MESSAGES=true` adds the messages.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from opentelemetry.semconv.attributes.exception_attributes import (
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
)
from opentelemetry.trace import StatusCode

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_MAX_FRAMES: Final = 64


def error_type_of(error: BaseException) -> str:
    """Return the value of `error.type`: the class, qualified by its module unless it is a builtin."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """Return an exception's text; a stand-in for it, as `traceback` prints, where its `__str__` raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 whatever an application's exception does
        return f"<unprintable {type(error).__name__} object>"


def record_exception(span: Span, error: BaseException, error_type: str, *, with_message: bool) -> None:
    """Add the exception to the span as an event, and set the span's status."""
    if with_message:
        message = message_of(error)
        stack = "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=_MAX_FRAMES))
        attributes = {EXCEPTION_MESSAGE: message}
        description = f"{error_type}: {message}"
    else:
        frames = traceback.extract_tb(error.__traceback__, limit=_MAX_FRAMES)
        stack = "".join(traceback.format_list(frames)) + f"{error_type}\n"
        attributes = {}
        description = error_type
    span.add_event("exception", {EXCEPTION_TYPE: error_type, **attributes, EXCEPTION_STACKTRACE: stack})
    span.set_status(StatusCode.ERROR, description)
