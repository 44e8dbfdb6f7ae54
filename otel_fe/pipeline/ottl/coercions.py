"""Conversion of values to the parameter types of converters, which are those of `config/ottl/converters.py`."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.ottl.numbers import INT64_MAX, INT64_MIN, parse_bool, parse_float, parse_int
from otel_fe.pipeline.ottl.text import to_text, utf8
from otel_fe.pipeline.ottl.values import OttlEvaluationError, from_raw, kind_of

if TYPE_CHECKING:
    from otel_fe.config.ottl.converters import Kind as ParameterKind

Coercion = Callable[[Any], Any]


class WrongTypeError(OttlEvaluationError):
    """A value that a converter does not take; `IsString` and its like answer it with false."""


def _wrong(wanted: str, value: object) -> WrongTypeError:
    return WrongTypeError(f"found a {kind_of(value)}; expected a {wanted}")


def _only(kind: str) -> Coercion:
    def coerce(value: Any) -> Any:
        if kind_of(value) != kind:
            raise _wrong(kind, value)
        return value

    return coerce


def _anything(value: Any) -> Any:
    return value


def _slice(value: Any) -> Any:
    kind = kind_of(value)
    if kind == "slice":
        return value
    if kind in {"raw list", "strings"}:
        return from_raw(value) if kind == "raw list" else tuple(value)
    raise _wrong("list", value)


def _map(value: Any) -> Any:
    kind = kind_of(value)
    if kind not in {"map", "raw map"}:
        raise _wrong("map", value)
    return value if kind == "map" else from_raw(value)


def _string_like(value: Any) -> str | None:
    return None if value is None else to_text(value)


def _read(text: str, read: Callable[[str], Any], wanted: str) -> Any:
    try:
        return read(text)
    except ValueError:  # without the value, which is the application's
        raise OttlEvaluationError(f"a string cannot be read as {wanted}") from None


def _int_like(value: Any) -> int | None:
    match kind_of(value):
        case "nil":
            return None
        case "bool" | "int":
            return int(value)
        case "float":
            # What does not fit becomes the smallest int on x86, where Go leaves it to the processor.
            return int(value) if math.isfinite(value) and INT64_MIN <= value <= INT64_MAX else INT64_MIN
        case "string":
            return int(_read(value, parse_int, "an int"))
        case _:
            raise _wrong("int", value)


def _float_like(value: Any) -> float | None:
    match kind_of(value):
        case "nil":
            return None
        case "bool" | "int" | "float":
            return float(value)
        case "string":
            return float(_read(value, parse_float, "a float"))
        case _:
            raise _wrong("float", value)


def _bool_like(value: Any) -> bool | None:
    match kind_of(value):
        case "nil":
            return None
        case "bool" | "int" | "float":
            return bool(value != 0)
        case "string":
            return bool(_read(value, parse_bool, "a bool"))
        case _:
            raise _wrong("bool", value)


def _bytes_like(value: Any) -> bytes:
    match kind_of(value):
        case "nil":
            return b""
        case "bytes":
            return bytes(value)
        case "string":
            return utf8(value)
        case "bool":
            return bytes([value])
        case "int":
            return struct.pack(">q", value)
        case "float":
            return struct.pack(">d", value)
        case _:
            raise _wrong("bytes", value)


COERCIONS: Final[dict[ParameterKind, Coercion]] = {
    "any": _anything,
    "string": _only("string"),
    "int": _only("int"),
    "float": _only("float"),
    "bool": _only("bool"),
    "map": _map,
    "slice": _slice,
    "time": _only("time"),
    "duration": _only("duration"),
    "string_like": _string_like,
    "int_like": _int_like,
    "float_like": _float_like,
    "bool_like": _bool_like,
    "bytes_like": _bytes_like,
    "string_literal": _anything,  # checked where it was read
    "bool_literal": _anything,
    "string_like_list": lambda values: [_string_like(value) for value in values],
    "any_list": _anything,
}
"""Keyed by the kind of a parameter: from a value to what the converter gets, or an error."""
