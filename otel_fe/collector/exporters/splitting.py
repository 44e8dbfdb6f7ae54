"""Cuts a serialized request in two by items or bytes, without decoding what is in it.

A request is a tree: resources, scopes, and the items (for metrics also the metric between the scope and its points). Both halves
repeat what encloses the cut: the resource, the scope, the metric's name and unit, and fields that are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_fe.collector.exporters.payload import Payload

_Levels = Sequence[frozenset[int]]
"""The fields that lead to the items, from the outside to the inside."""

_SPANS: Final = (frozenset({1}), frozenset({2}), frozenset({2}))
_POINTS: Final = (*_SPANS, frozenset({5, 7, 9, 10, 11}), frozenset({1}))
_LEVELS: Final[dict[str, _Levels]] = {"traces": _SPANS, "logs": _SPANS, "metrics": _POINTS}
"""opentelemetry-proto 1.x: ResourceSpans, ScopeSpans, Span, and so on."""
_LENGTH_DELIMITED: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_ENVELOPE_BYTES: Final = 6
"""Most bytes of the tag and the length of a message of up to 32 GiB."""


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    kind: int
    """The wire type."""
    start: int
    content: int
    """The start of its value; of a message, of its content."""
    end: int


def split(payload: Payload, most: int, *, by_bytes: bool) -> tuple[Payload | None, Payload | None]:
    """Return what of a payload is within `most` items, or bytes, and the rest; None for what is empty. Profiles are not cut.

    Raises:
        ValueError: The bytes are no such request.
    """
    if payload.signal == "profiles":  # each half would need its own dictionary
        return payload, None
    levels = _LEVELS[payload.signal]
    head, tail = _cut(payload.data, levels, most, by_bytes=by_bytes)
    if not tail:
        return payload, None
    items = _count(head, levels)
    if not items:
        return None, payload
    return replace(payload, data=head, items=items), replace(payload, data=tail, items=max(payload.items - items, 0))


def _cut(message: bytes, levels: _Levels, room: int, *, by_bytes: bool) -> tuple[bytes, bytes]:
    """Return both halves; the second is empty where all is within the room."""
    fields = list(_fields(message))
    if by_bytes:
        room -= sum(field.end - field.start for field in fields if field.number not in levels[0])
    head, tail = bytearray(), bytearray()
    cut = False
    for field in fields:
        raw = message[field.start : field.end]
        if field.number not in levels[0] or field.kind != _LENGTH_DELIMITED:
            head += raw
            tail += raw
            continue
        inner = message[field.content : field.end]
        size = len(raw) if by_bytes else _count(inner, levels[1:])
        if not cut and size <= room:
            head += raw
            room -= size
            continue
        if not cut and len(levels) > 1:
            reserved = _ENVELOPE_BYTES if by_bytes else 0
            first, inner = _cut(inner, levels[1:], room - reserved, by_bytes=by_bytes)
            if _count(first, levels[1:]):
                head += _enclosed(field.number, first)
                raw = _enclosed(field.number, inner)
        cut = True
        tail += raw
    return bytes(head), bytes(tail) if cut else b""


def _count(message: bytes, levels: _Levels) -> int:
    if not levels:
        return 1
    return sum(
        _count(message[field.content : field.end], levels[1:]) if len(levels) > 1 else 1
        for field in _fields(message)
        if field.number in levels[0] and field.kind == _LENGTH_DELIMITED
    )


def _fields(message: bytes) -> Iterator[_Field]:
    position, end = 0, len(message)
    while position < end:
        start = position
        tag, position = _varint(message, position)
        kind = tag & 7
        content = position
        if kind == 0:
            _, position = _varint(message, position)
        elif kind == _LENGTH_DELIMITED:
            length, content = _varint(message, position)
            position = content + length
        elif kind in _FIXED:
            position += _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind} at byte {start}")
        if position > end:
            raise ValueError(f"the field at byte {start} ends beyond its message")
        yield _Field(tag >> 3, kind, start, content, position)


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message):
            raise ValueError("the message ends within a number")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 the bit that says that more follow
            return value, position
        shift += 7


def _enclosed(number: int, message: bytes) -> bytes:
    head = bytearray()
    for value in (number << 3 | _LENGTH_DELIMITED, len(message)):
        left = value
        while left >= 0x80:  # noqa: PLR2004
            head.append(left & 0x7F | 0x80)
            left >>= 7
        head.append(left)
    return bytes(head) + message
