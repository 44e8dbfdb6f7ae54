"""Protobuf's own encoding: fields one after the other, each a tag and a value.

Source: protobuf.dev, "Encoding". For the few places where bytes are cut and joined; everything else is left to protobuf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT: Final = 0
FIXED64: Final = 1
DELIMITED: Final = 2
_GROUP: Final = 3
_END_GROUP: Final = 4
_FIXED32: Final = 5
_LONGEST_VARINT: Final = 10
_DEEPEST: Final = 100
"""Deepest nesting: protobuf's own limit."""
_TOP_BIT: Final = 0x80


class LocatedField(NamedTuple):
    """A field and its position."""

    number: int
    wire_type: int
    start: int
    """Start of the tag."""
    value: int
    """Start of what follows the tag and, if the field has one, the length."""
    end: int


def walk(data: bytes, start: int, end: int) -> Iterator[LocatedField]:
    """Yield the fields of a message between two places.

    Raises:
        WireError: The bytes are no message.
    """
    while start < end:
        found = _field(data, start, end, 0)
        yield found
        start = found.end


def without(data: bytes, number: int) -> bytes:
    """Return a message without its delimited fields of one number, which is at most 15; everything else as it was.

    Raises:
        WireError: The bytes are no message.
    """
    unwanted = number << 3 | DELIMITED
    kept: list[bytes] = []
    place = since = 0
    end = len(data)
    while place < end:
        tag = data[place]
        # Most fields are skipped here, since a span has dozens of them.
        if tag & 0x87 == DELIMITED and place + 1 < end and data[place + 1] < _TOP_BIT:
            stop = place + 2 + data[place + 1]
        else:
            stop = _field(data, place, end, 0).end
        if tag == unwanted:
            kept.append(data[since:place])
            since = stop
        place = stop
    if place > end:
        raise WireError(f"no protobuf: a field ends {place - end} bytes after the message does")
    kept.append(data[since:])
    return b"".join(kept)


def varint(number: int) -> bytes:
    """Return a number, not negative, as protobuf writes it."""
    if number < _TOP_BIT:
        return bytes((number,))
    written = bytearray()
    while number >= _TOP_BIT:
        written.append(number & 0x7F | _TOP_BIT)
        number >>= 7
    written.append(number)
    return bytes(written)


def varint_size(number: int) -> int:
    """Return how many bytes `varint` writes."""
    return (max(1, number.bit_length()) + 6) // 7


def delimited(number: int, content: bytes) -> bytes:
    """Return a field that holds bytes, a text or a message; its number is at most 15."""
    return delimited_head(number, len(content)) + content


def delimited_head(number: int, size: int) -> bytes:
    """Return the tag and length in front of the content of such a field, whose size is in bytes."""
    return b"%c%b" % (number << 3 | DELIMITED, varint(size))


def _field(data: bytes, start: int, end: int, depth: int) -> LocatedField:
    tag, value = _read_varint(data, start, end)
    number, wire_type = tag >> 3, tag & 7
    if not number:
        raise WireError(f"no protobuf: a field without a number at byte {start}")
    if wire_type == DELIMITED:
        size, value = _read_varint(data, value, end)
        stop = value + size
    elif wire_type == VARINT:
        _, stop = _read_varint(data, value, end)
    elif wire_type == FIXED64:
        stop = value + 8
    elif wire_type == _FIXED32:
        stop = value + 4
    elif wire_type == _GROUP:
        stop = _end_of_group(data, value, end, number, depth + 1)
    else:
        raise WireError(f"no protobuf: a field of an unknown kind at byte {start}")
    if stop > end:
        raise WireError(f"no protobuf: the field at byte {start} ends after the message does")
    return LocatedField(number, wire_type, start, value, stop)


def _end_of_group(data: bytes, start: int, end: int, number: int, depth: int) -> int:
    if depth > _DEEPEST:
        raise WireError("no protobuf: groups within groups, too deep")
    while start < end:
        tag, value = _read_varint(data, start, end)
        if tag & 7 == _END_GROUP:
            if tag >> 3 == number:
                return value
            break
        start = _field(data, start, end, depth).end
    raise WireError("no protobuf: a group that does not end")


def _read_varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return a number, and where it ends."""
    number = shift = 0
    for place in range(start, min(end, start + _LONGEST_VARINT)):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < _TOP_BIT:
            return number, place + 1
        shift += 7
    raise WireError(f"no protobuf: a number that does not end at byte {start}")
