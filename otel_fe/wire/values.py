"""Attributes and their values, from unchecked bytes.

A request is accepted when protobuf could split it into spans; the content of an attribute is read only on demand. A text that
is no UTF-8 is then read with replacement characters, and what cannot be read at all is no attribute: reading never raises.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from otel_fe.wire.messages import AnyMessage, Pair

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.model.span import Value

_DEEPEST: Final = 64
"""Lists and maps in each other; protobuf itself gives up a little earlier in a whole request. Deeper ones are empty."""
_ONE_BYTE: Final = 0x80
"""Numbers below fit into one byte."""
_KEY: Final = 0x0A
_VALUE: Final = 0x12
_STRING: Final = 0x0A
_BOOL: Final = 0x10
_INT: Final = 0x18
_DOUBLE: Final = 0x21
_DOUBLE_SIZE: Final = 9
_SMALL_SIZE: Final = 2
_double = struct.Struct("<d").unpack_from


def read_attributes(pairs: Iterable[bytes]) -> dict[str, Value]:
    """Return attributes, decoded; of two with the same key the first, as the Collector answers."""
    return _read_map(pairs, 0)


def read_pair(pair: bytes) -> tuple[str, Value] | None:
    """Return the key and the value of an encoded `KeyValue`; None where it cannot be read."""
    return _read_pair(pair, 0)


def read_value(data: bytes, depth: int = 0) -> Value:
    """Return an encoded `AnyValue`; None where it is empty or cannot be read.

    The usual forms of simple values are read here, all others by protobuf.
    """
    size = len(data)
    if size >= _SMALL_SIZE:
        kind, first = data[0], data[1]
        if kind == _STRING:
            if first == size - 2 and first < _ONE_BYTE:
                return data[2:].decode("utf-8", "replace")
        elif kind == _INT:
            if size == _SMALL_SIZE and first < _ONE_BYTE:
                return first
        elif kind == _DOUBLE:
            if size == _DOUBLE_SIZE:
                (number,) = _double(data, 1)
                return float(number)
        elif kind == _BOOL and size == _SMALL_SIZE and first < _ONE_BYTE:
            return first != 0
    return _read_any(data, depth) if size else None


def _read_any(data: bytes, depth: int) -> Value:
    try:
        message = AnyMessage.FromString(data)
    except DecodeError:
        return None
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(message, kind)
    if kind == "string_value":
        return str(value, "utf-8", "replace")
    if kind == "array_value":
        return [read_value(item, depth + 1) for item in value.values] if depth < _DEEPEST else []
    if kind == "kvlist_value":
        return _read_map(value.values, depth + 1) if depth < _DEEPEST else {}
    found: Value = value
    return found


def _read_map(pairs: Iterable[bytes], depth: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs:
        read = _read_pair(pair, depth)
        if read is not None:
            found.setdefault(*read)
    return found


def _read_pair(pair: bytes, depth: int) -> tuple[str, Value] | None:
    size = len(pair)
    if size > _SMALL_SIZE and pair[0] == _KEY:
        end = 2 + pair[1]
        if end + 2 <= size and pair[1] < _ONE_BYTE and pair[end] == _VALUE:
            length = pair[end + 1]
            if length < _ONE_BYTE and length == size - end - 2:
                return pair[2:end].decode("utf-8", "replace"), read_value(pair[end + 2 :], depth)
    try:
        message = Pair.FromString(pair)
    except DecodeError:
        return None
    return message.key.decode("utf-8", "replace"), read_value(message.value, depth)
