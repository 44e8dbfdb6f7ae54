"""Reads a JSON request item by item where it cannot be read as a whole, so that only invalid items are refused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.wire.fields import delimited
from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.validation import INVALID_UTF8, MALFORMED, TOO_DEEP
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Encode = Callable[[Any, Any], bytes]

_POINTS: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "exponential_histogram", "summary")


class Salvaged(NamedTuple):
    """The readable items of a request."""

    payload: bytes
    """The valid items in protobuf."""
    items: int
    """Items at the innermost of `Signal.levels`: metrics rather than their points, profiles rather than their samples."""
    rejected: Mapping[str, int]
    """Spans, data points or log records, by reason."""


def salvage(signal: str, content: object, encode: Encode) -> Salvaged:
    """Return the readable items of a request.

    Args:
        signal: `traces`, `metrics` or `logs`.
        content: The request, from JSON.
        encode: Returns a value as an encoded message, given its descriptor's class. It raises `WireError` for an invalid one, and
            `UnicodeEncodeError` where it holds half a surrogate pair.
    """
    found = _Reading(SIGNALS[signal].levels, encode)
    request = SIGNALS[signal].request
    payload = found.read(content, request, 0)
    return Salvaged(payload or b"", found.items, found.rejected)


class _Reading:
    """One pass over a request."""

    def __init__(self, levels: tuple[str, ...], encode: Encode) -> None:
        self._levels = levels
        self._encode = encode
        self.items = 0
        self.rejected: Counter[str] = Counter()

    def read(self, content: Any, message: Any, level: int) -> bytes | None:
        """Return a message without its unreadable parts; None if nothing is left."""
        if level == len(self._levels):
            encoded = self._read_alone(content, message, level, content)
            self.items += encoded is not None
            return encoded
        field = message.DESCRIPTOR.fields_by_name[self._levels[level]]
        names = dict.fromkeys((field.name, field.json_name))
        if not isinstance(content, dict):
            return self._read_alone(content, message, level, content)
        around = {name: value for name, value in content.items() if name not in names}
        encoded = self._read_alone(around, message, level, content)
        if encoded is None:
            return None
        inner = _class_of(message, field.name)
        lists = [content[name] for name in names if isinstance(content.get(name), list)]
        parts = [self.read(item, inner, level + 1) for items in lists for item in items]
        return encoded + b"".join(delimited(field.number, part) for part in parts if part is not None)

    def _read_alone(self, content: object, message: Any, level: int, whole: object) -> bytes | None:
        """Return an encoded message; if it is invalid, count its items as rejected, and return None."""
        try:
            return self._encode(content, message)
        except UnicodeEncodeError:
            reason = INVALID_UTF8
        except WireError as error:
            reason = TOO_DEEP if "too deep" in str(error).lower() else MALFORMED
        self.rejected[reason] += self._count(whole, level)
        return None

    def _count(self, content: Any, level: int) -> int:
        """Return the number of items in a value, as far as it can be determined."""
        if level == len(self._levels):
            points = sum(_length(content[name]) for name in _POINTS if name in content) if _is_metric(content) else 0
            return points or 1
        if not isinstance(content, dict):
            return 1
        name = self._levels[level]
        first, *others = name.split("_")
        lists = (content.get(key) for key in {name, first + "".join(map(str.capitalize, others))})
        return sum(self._count(item, level + 1) for items in lists if isinstance(items, list) for item in items)


def _is_metric(content: object) -> bool:
    return isinstance(content, dict) and any(name in content for name in _POINTS)


def _length(data: object) -> int:
    points = (data.get("dataPoints") or data.get("data_points")) if isinstance(data, dict) else None
    return len(points) if isinstance(points, list) else 1


def _class_of(message: Any, field: str) -> Any:
    """Return the class of a field's message."""
    from google.protobuf import message_factory  # noqa: PLC0415 only rubbish needs it

    return message_factory.GetMessageClass(message.DESCRIPTOR.fields_by_name[field].message_type)
