"""The functions of the converters that `config/ottl/converters.py` declares, on already coerced values."""

from __future__ import annotations

import binascii
import math
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.durations import parse_duration
from otel_fe.model.re2 import compile_re2
from otel_fe.pipeline.ottl.coercions import COERCIONS
from otel_fe.pipeline.ottl.comparison import compare
from otel_fe.pipeline.ottl.text import from_utf8, lower, upper, utf8
from otel_fe.pipeline.ottl.values import (
    Duration,
    OttlEvaluationError,
    SpanId,
    Strings,
    Time,
    TraceId,
    as_raw,
    kind_of,
    wrap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SIZED: Final = frozenset(("map", "slice", "raw map", "raw list", "strings", "bytes", "events"))


def _same(value: object) -> object:
    return value


def _concat(values: list[str | None], delimiter: str) -> str:
    return delimiter.join("<nil>" if value is None else value for value in values)


def _contains_value(values: Sequence[object], item: object) -> bool:
    return any(compare(as_raw(value), item, "==") for value in values)


def _convert_case(text: str, case: str) -> str:
    return upper(text) if case == "upper" else lower(text)


def _duration(text: str) -> Duration:
    try:
        return Duration(parse_duration(text))
    except ValueError:  # without the value: it belongs to the application
        raise OttlEvaluationError("a string cannot be read as a duration") from None


def _index(target: Any, value: Any) -> int:
    if kind_of(target) == "string":
        if kind_of(value) != "string":
            raise OttlEvaluationError("Index looks for strings in a string")
        found = target.find(value)
        return len(utf8(target[:found])) if found >= 0 else -1
    values = COERCIONS["slice"](target)
    return next((at for at, inner in enumerate(values) if compare(as_raw(inner), value, "==")), -1)


def _is_empty(value: Any) -> bool:
    kind = kind_of(value)
    if kind in {"map", "slice", "raw map", "raw list", "strings", "bytes", "string"}:
        return not value
    if kind in {"trace id", "span id"}:
        return not any(value)
    return value.ns == 0 if kind == "duration" else kind == "nil" or (kind in {"bool", "int", "float"} and not value)


def _is_list(value: Any) -> bool:
    return kind_of(value) in {"slice", "raw list", "strings", "events"}


def _is_match(text: str | None, pattern: str) -> bool:
    try:
        compiled = compile_re2(pattern)
    except ValueError as error:
        raise OttlEvaluationError("IsMatch cannot use its pattern") from error
    return text is not None and compiled.search(text) is not None


def _len(value: Any) -> int:
    kind = kind_of(value)
    if kind == "string":
        return len(value) if value.isascii() else len(utf8(value))
    if kind not in _SIZED:
        raise OttlEvaluationError(f"a {kind} has no length")
    return len(value)


def _substring(text: str, start: int, length: int, utf8_safe: bool | None) -> str:  # noqa: FBT001
    raw = utf8(text)
    if start < 0 or length <= 0 or start > len(raw) or length > len(raw) - start:
        raise OttlEvaluationError("Substring takes a range inside of the string")
    end = start + length
    if utf8_safe:
        while start < len(raw) and _continues(raw[start]):
            start += 1
        while start < end < len(raw) and _continues(raw[end]):
            end -= 1
    return from_utf8(raw[start : max(start, end)])


def _continues(byte: int) -> bool:
    return byte & 0xC0 == 0x80  # noqa: PLR2004 - the form of UTF-8's continuation bytes


def _split(text: str, delimiter: str) -> Strings:
    return Strings(text.split(delimiter) if delimiter else text)


def _trim(text: str, characters: str | None) -> str:
    return text.strip(" " if characters is None else characters)


def _id(of: type[TraceId | SpanId], size: int) -> Callable[[bytes], TraceId | SpanId]:
    def convert(raw: bytes) -> TraceId | SpanId:
        if len(raw) == size:
            return of(raw)
        try:
            return of(binascii.unhexlify(raw) if len(raw) == 2 * size else b"")
        except ValueError:
            raise OttlEvaluationError("an id has other than hexadecimal digits") from None

    def checked(raw: bytes) -> TraceId | SpanId:
        found = convert(raw)
        if not found:
            raise OttlEvaluationError(f"an id has other than {size} bytes")
        return found

    return checked


def _whole(unit_ns: int) -> Callable[[Duration], int]:
    return lambda duration: abs(duration.ns) // unit_ns * (-1 if duration.ns < 0 else 1)


def _float(unit_ns: int) -> Callable[[Duration], float]:
    def convert(duration: Duration) -> float:
        whole, rest = divmod(abs(duration.ns), unit_ns)
        return math.copysign(whole + rest / unit_ns, duration.ns)

    return convert


def _unix(unit_ns: int) -> Callable[[Time], int]:
    return lambda time: wrap(time.ns // unit_ns)


FUNCTIONS: Final[dict[str, Callable[..., object]]] = {
    "Bool": _same,
    "Concat": _concat,
    "ContainsValue": _contains_value,
    "ConvertCase": _convert_case,
    "Double": _same,
    "Duration": _duration,
    "HasPrefix": str.startswith,
    "HasSuffix": str.endswith,
    "Hex": bytes.hex,
    "Hours": _float(3_600_000_000_000),
    "Index": _index,
    "Int": _same,
    "IsEmpty": _is_empty,
    "IsList": _is_list,
    "IsMatch": _is_match,
    "Len": _len,
    "Microseconds": _whole(1_000),
    "Milliseconds": _whole(1_000_000),
    "Minutes": _float(60_000_000_000),
    "Nanoseconds": _whole(1),
    "Seconds": _float(1_000_000_000),
    "SpanID": _id(SpanId, 8),
    "Split": _split,
    "String": _same,
    "Substring": _substring,
    "ToLowerCase": lower,
    "ToUpperCase": upper,
    "TraceID": _id(TraceId, 16),
    "Trim": _trim,
    "TrimPrefix": str.removeprefix,
    "TrimSuffix": str.removesuffix,
    "UnixMicro": _unix(1_000),
    "UnixMilli": _unix(1_000_000),
    "UnixNano": _unix(1),
    "UnixSeconds": _unix(1_000_000_000),
}
"""Keyed by name; `compiler.py` has those that need more than values: `Coalesce`, `IsRootSpan` and the type checks."""
