"""Strings, as Go has them: bytes that are mostly UTF-8, and JSON as the Collector's library writes it."""

from __future__ import annotations

import base64
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.ottl.values import OttlEvaluationError, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.pipeline.ottl.values import Kind

_ESCAPES: Final = {
    **{code: f"\\u{code:04x}" for code in (*range(0x20), *b"<>&", 0x2028, 0x2029)},
    **str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_PLAIN: Final = (1e-6, 1e21)
"""From here to there a float is written without an exponent."""


def utf8(text: str) -> bytes:
    """Return the bytes of a string; those that were no UTF-8 come back as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def from_utf8(raw: bytes) -> str:
    """Return the string of these bytes, whatever they are."""
    return raw.decode("utf-8", "surrogateescape")


def upper(text: str) -> str:
    """Return `text` in upper case, character by character: Go has no mapping of one to several."""
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def _upper(character: str) -> str:
    mapped = character.upper()
    if len(mapped) > 1:
        mapped = character.title()
    return mapped if len(mapped) == 1 else character


def lower(text: str) -> str:
    """Return `text` in lower case, character by character: Go has no final sigma."""
    # Of all characters, only the dotted capital I becomes two in Python, and it is the first that Go keeps.
    return text.lower() if text.isascii() else "".join(character.lower()[0] for character in text)


def to_text(value: Any) -> str:
    """Return a value, not nil, as a string.

    Raises:
        OttlEvaluationError: The value, or a part of it, has no JSON form.
    """
    kind = kind_of(value)
    if kind == "string":
        return str(value)
    return value.hex() if kind == "bytes" else _json(value)


def _json(value: Any) -> str:
    kind = kind_of(value)
    if kind not in _WRITERS:
        raise OttlEvaluationError(f"a {kind} has no string")
    return _WRITERS[kind](value)


def _list(values: Any) -> str:
    return "[" + ",".join(map(_json, values)) + "]"


def _raw_list(values: Any) -> str:
    # What comes from an attribute into a list of the text stays the Collector's own type, whose insides its library cannot see.
    return "[" + ",".join("{}" if kind_of(value) in {"map", "slice"} else _json(value) for value in values) + "]"


def _map(values: Any) -> str:
    return "{" + ",".join(f"{_quoted(key)}:{_json(values[key])}" for key in sorted(values)) + "}"


def _quoted(text: str) -> str:
    return f'"{from_utf8(utf8(text)).translate(_ESCAPES)}"'


def _float(number: float) -> str:
    if not math.isfinite(number):
        raise OttlEvaluationError("a float without a number has no JSON")
    text = repr(number)
    if number == 0 or _PLAIN[0] <= abs(number) < _PLAIN[1]:
        text = format(Decimal(text), "f")
        return text.removesuffix(".0")
    return text.replace(".0e", "e")


def _time(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    try:
        date = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError as error:
        raise OttlEvaluationError("a time beyond the year 9999 has no JSON") from error
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f'"{date.rjust(19, "0")}{digits}Z"'


_WRITERS: Final[dict[Kind, Callable[[Any], str]]] = {
    "nil": lambda _value: "null",
    "bool": lambda value: "true" if value else "false",
    "int": lambda value: str(int(value)),
    "float": lambda value: _float(float(value)),
    "string": _quoted,
    "bytes": lambda value: f'"{base64.b64encode(value).decode()}"' if value else "null",
    "slice": _list,
    "raw list": _raw_list,
    "strings": _list,
    "trace id": _list,
    "span id": _list,
    "map": _map,
    "raw map": _map,
    "duration": lambda value: str(value.ns),
    "time": lambda value: _time(value.ns),
    "events": lambda _value: "{}",
}
