"""Converts values of an application's own types to those that OpenTelemetry and protobuf accept."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


def whole(value: Any) -> int | None:
    """Return a count as an `int`, for example of `numpy.int64`; None where it is not a whole number."""
    if type(value) is int:
        return value
    try:
        return operator.index(value)
    except Exception:  # noqa: BLE001 any object of the application's
        pass
    try:  # numpy.bool, and floats that are whole
        number = int(value)
        return number if bool(number == value) and not isinstance(value, (str, bytes)) else None
    except Exception:  # noqa: BLE001 likewise
        return None


def valid_text(text: str) -> str:
    """Return a text that UTF-8 can hold: a lone surrogate, as in names of files, becomes U+FFFD."""
    if text.isascii():
        return str(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean(span: ReadableSpan) -> None:
    """Replace values that protobuf refuses in a span to be exported: it would refuse the whole batch."""
    readable: Any = span
    readable._name = valid_text(readable._name) if isinstance(readable._name, str) else readable._name
    readable._attributes = _clean_attributes(readable._attributes)
    for item in (*(readable._events or ()), *(readable._links or ())):
        if item._attributes:
            item._attributes = _clean_attributes(item._attributes)
    for event in readable._events or ():
        event._name = valid_text(event._name) if isinstance(event._name, str) else event._name
    status: Any = readable._status
    if status is not None and status.description and not _is_valid(status.description):
        status._description = valid_text(status.description)


def _clean_attributes(attributes: Any) -> Any:
    if not attributes or all(_is_valid(key) and _is_valid(value) for key, value in attributes.items()):
        return attributes
    found = BoundedAttributes(
        attributes={_clean_value(key): _clean_value(value) for key, value in attributes.items()}, immutable=True
    )
    found.dropped = getattr(attributes, "dropped", 0)
    return found


def _is_valid(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() or valid_text(value) == value
    return not isinstance(value, (tuple, list)) or all(_is_valid(item) for item in value)


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return valid_text(value)
    return tuple(_clean_value(item) for item in value) if isinstance(value, (tuple, list)) else value
