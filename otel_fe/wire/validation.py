"""Checks a request as deeply as any protobuf backend will, and removes the items that one would refuse.

A request holds items of many senders, and requests are merged before they leave: one span with a broken attribute would make a
backend refuse them all. So every length, string, id and nesting is checked on receipt. A bad item is cut out of the request and
counted by reason; what encloses items (a resource, a scope, a metric) and is bad itself is cut out with them; and a request that
cannot be split into its resources is refused as a whole. The strictest of the usual decoders decides:

    malformed      a length or a number that does not end, a known field in another wire type (Collector, Rust), a group (Collector)
    invalid_utf8   a string that is not UTF-8 (C++, Python, Java, Go, Rust)
    too_deep       messages nested more than 100 deep (C++, Python, Java, Rust)
    invalid_id     a trace or span id of a wrong length (Collector); where spans are decoded, none, or zeros

`compiled/validation.pyx` has the compiled twin of `scan`; `tests/properties/test_validation.py` holds both equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe import compiled
from otel_fe.wire import schema
from otel_fe.wire.fields import delimited
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.compiled.protocols import Backend, Scan

MALFORMED: Final = "malformed"
INVALID_UTF8: Final = "invalid_utf8"
TOO_DEEP: Final = "too_deep"
INVALID_ID: Final = "invalid_id"
REASONS: Final = ("", MALFORMED, INVALID_UTF8, TOO_DEEP, INVALID_ID)
_FINE, _MALFORMED, _INVALID_UTF8, _TOO_DEEP, _INVALID_ID = range(len(REASONS))
_BROKEN: Final = len(REASONS)
"""Malformed, so that the next field cannot be found."""

DEEPEST: Final = 100
"""Messages within messages below a request: the limit of protobuf's C++, Python (upb) and Java, and of Rust's prost."""
_SMALL_BYTES: Final = 1 << 20
"""Up to here, what a decoder makes of empty messages fits into some 100 MiB, whatever they are."""
_SMALLEST: Final = 8
"""Bytes that a message takes on average in a request that means something."""
_VARINT_BYTES: Final = 10
_TAG_BYTES: Final = 5
_TOP_BIT: Final = 0x80
_LONGEST: Final = 1 << 31
_LAST_TAG: Final = 1 << 32
_FIXED: Final = {1: 8, 5: 4}
_DELIMITED: Final = 2
_WIRE_TYPES: Final = {schema.VARINT: 0, schema.I64: 1, schema.I32: 5}
"""Keyed by kind; of all others it is a length."""
_PACKED: Final = {schema.PACKED_I64: 1, schema.PACKED_VARINT: 0}
"""The wire type of each value, where every value has its own tag."""

Parents = tuple["Enclosing", ...]


class Enclosing(NamedTuple):
    """A message around a cut, by places in the request."""

    start: int
    """Start of the tag."""
    content: int
    end: int
    number: int
    """Number of the field."""


class Cut(NamedTuple):
    """A part of a request that is taken out."""

    start: int
    end: int
    parents: Parents
    """The messages that enclose it, from the outside to the inside."""


class Scanned(NamedTuple):
    """The content of a request."""

    items: int
    """Items that are valid."""
    rejected: Sequence[int]
    """The others, by the place of their reason in `REASONS`."""
    cuts: Sequence[Cut]
    """In ascending order; none overlaps another."""
    dense: bool
    """Whether it has more messages than its size justifies; then it was not read to the end."""


class ValidatedRequest(NamedTuple):
    """A request that any backend can read."""

    payload: bytes
    items: int
    rejected: Mapping[str, int]
    """Items that were taken out, by reason."""

    @property
    def message(self) -> str:
        """The message to the sender about rejected items; empty if there are none."""
        return rejection(self.rejected)


def rejection(rejected: Mapping[str, int]) -> str:
    """Return the message to a sender about rejected items; empty for none."""
    parts = [f"{count} {_MEANINGS[reason]}" for reason, count in rejected.items()]
    return f"rejected items: {', '.join(parts)}" if parts else ""


_MEANINGS: Final = {
    MALFORMED: "malformed (not valid protobuf, or a field in a wrong wire type)",
    INVALID_UTF8: "with a string that is not UTF-8",
    TOO_DEEP: f"nested more than {DEEPEST} messages deep",
    INVALID_ID: "without a valid trace id, span id or parent id",
}


def check(signal: str, payload: bytes, *, identified: bool = False) -> ValidatedRequest:
    """Return a request without the items that some backend would refuse all of it for.

    Args:
        signal: `traces`, `metrics` or `logs`.
        payload: The encoded request.
        identified: Whether a span needs a trace id and a span id that are not zero.

    Raises:
        WireError: It is no such request: its outermost fields cannot be read, or nothing is left of it and not for ids or texts
            alone; or it consists of empty messages, each of which takes a hundred times its room when it is parsed.
    """
    scanned = _scan(payload, schema.REQUESTS[signal], identified)
    if scanned is None:
        raise WireError(f"no request to export {signal}: it is not protobuf")
    items, counts, cuts, dense = scanned
    if dense:
        raise WireError(f"most of the messages in these {len(payload)} bytes are empty")
    if not cuts:
        return ValidatedRequest(payload, items, {})
    rejected = {reason: count for reason, count in zip(REASONS, counts, strict=True) if count}
    if not items and rejected.keys() == {MALFORMED}:
        raise WireError(f"no request to export {signal}: nothing in it can be read")
    return ValidatedRequest(excised(payload, cuts), items, rejected)


def excised(payload: bytes, cuts: Sequence[Cut]) -> bytes:
    """Return a request without some parts; only the lengths of the enclosing messages are rewritten."""
    return _built(payload, (0, len(payload)), cuts, 0)


def scan(payload: bytes, root: int, identified: bool) -> Scanned | None:  # noqa: FBT001 as the compiled one is called
    """Check every field of a request; None where its outermost ones cannot be read.

    Args:
        payload: The encoded request.
        root: Its place among the messages of `schema`.
        identified: See `check`.
    """
    found = _Scan(payload, identified=identified)
    own = found.container(0, len(payload), root, 0, ())
    if own and not found.dense:
        return None
    return Scanned(found.good, found.rejected, found.cuts, found.dense)


class _FaultError(Exception):
    """A message is not valid."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class _Scan:
    """One pass over a request."""

    def __init__(self, payload: bytes, *, identified: bool) -> None:
        self._payload = payload
        self._identified = identified
        self._room = len(payload) // _SMALLEST if len(payload) > _SMALL_BYTES else len(payload)
        self.good = self.bad = 0
        self.rejected = [0] * len(REASONS)
        self.cuts: list[Cut] = []
        self.dense = False

    def container(self, start: int, end: int, message: int, depth: int, parents: Parents) -> int:
        """Check what encloses items, and them; return what is wrong with itself."""
        own = _FINE
        while start < end and not self.dense:
            try:
                field = _field(self._payload, start, end)
            except _FaultError:
                return _BROKEN
            number, wire_type, content, stop = field
            kind, inner = _declared(message, number)
            if kind in (schema.CONTAINER, schema.ITEM) and wire_type == _DELIMITED:
                self._room -= 1
                self.dense = self._room < 0
                around = Enclosing(start, content, stop, number)
                if kind == schema.ITEM:
                    self._item(around, inner, depth + 1, parents)
                else:
                    self._enter(around, inner, depth + 1, parents)
            else:
                own = own or self._checked(field, kind, inner, depth)
            start = stop
        return own

    def _enter(self, around: Enclosing, message: int, depth: int, parents: Parents) -> None:
        """Check a message that encloses items; cut it out where it is bad, or nothing is left in it."""
        good, bad, cuts = self.good, self.bad, len(self.cuts)
        own = self.container(around.content, around.end, message, depth, (*parents, around))
        if own:
            lost = self.good - good
            if own == _BROKEN and not lost and self.bad == bad:
                lost = 1  # how many there were cannot be read; the sender hears of one
            self.rejected[_MALFORMED if own == _BROKEN else own] += lost
            self.good, self.bad = good, self.bad + lost
        elif self.good > good or self.bad == bad:
            return
        del self.cuts[cuts:]
        self._cut(around, parents)

    def _item(self, around: Enclosing, message: int, depth: int, parents: Parents) -> None:
        try:
            self._message(around.content, around.end, message, depth)
        except _FaultError as fault:
            self.bad += 1
            self.rejected[fault.reason] += 1
            self._cut(around, parents)
        else:
            self.good += 1

    def _cut(self, around: Enclosing, parents: Parents) -> None:
        start = around.start
        if self.cuts and self.cuts[-1].parents is parents and self.cuts[-1].end == start:
            start = self.cuts.pop().start
        self.cuts.append(Cut(start, around.end, parents))

    def _checked(self, field: tuple[int, int, int, int], kind: int, inner: int, depth: int) -> int:
        try:
            self._value(field, kind, inner, depth)
        except _FaultError as fault:
            return fault.reason
        return _FINE

    def _message(self, start: int, end: int, message: int, depth: int) -> None:
        """Check a message and all that is in it.

        Raises:
            _FaultError: It is not valid.
        """
        if depth > DEEPEST:
            raise _FaultError(_TOO_DEEP)
        ids = [False, False]
        while start < end:
            field = number, _, content, stop = _field(self._payload, start, end)
            kind, inner = _declared(message, number)
            self._value(field, kind, inner, depth)
            if kind in (schema.TRACE_ID, schema.SPAN_ID) and number <= len(ids):
                ids[number - 1] = any(self._payload[content:stop])
            start = stop
        if message == schema.SPAN and self._identified and not all(ids):
            raise _FaultError(_INVALID_ID)

    def _value(self, field: tuple[int, int, int, int], kind: int, inner: int, depth: int) -> None:
        _, wire_type, start, end = field
        if kind == schema.UNKNOWN or (kind in _PACKED and wire_type == _PACKED[kind]):
            return
        if wire_type != _WIRE_TYPES.get(kind, _DELIMITED):
            raise _FaultError(_MALFORMED)
        if kind >= schema.MESSAGE:
            self._message(start, end, inner, depth + 1)
        elif kind == schema.STRING:
            _check_text(self._payload[start:end])
        elif kind in _ID_SIZES:
            if end - start not in (0, _ID_SIZES[kind]):
                raise _FaultError(_INVALID_ID)
        elif kind == schema.PACKED_I64:
            if (end - start) % 8:
                raise _FaultError(_MALFORMED)
        elif kind == schema.PACKED_VARINT:
            while start < end:
                _, start = _varint(self._payload, start, end, _VARINT_BYTES)


_ID_SIZES: Final = {schema.TRACE_ID: 16, schema.SPAN_ID: 8}


def _declared(message: int, number: int) -> tuple[int, int]:
    """Return the kind of a field, and the message that is in it."""
    slot = schema.slot_of(number)
    if not slot:
        return schema.UNKNOWN, 0
    place = 2 * (message * schema.SLOTS + slot)
    return schema.TABLE[place], schema.TABLE[place + 1]


def _field(data: bytes, start: int, end: int) -> tuple[int, int, int, int]:
    """Return a field's number, its wire type, and from where to where its value is."""
    tag, start = _varint(data, start, end, _TAG_BYTES)
    number, wire_type = tag >> 3, tag & 7
    if not number or tag >= _LAST_TAG:
        raise _FaultError(_MALFORMED)
    if wire_type == 0:
        _, stop = _varint(data, start, end, _VARINT_BYTES)
    elif wire_type == _DELIMITED:
        size, start = _varint(data, start, end, _TAG_BYTES)
        if size >= _LONGEST:
            raise _FaultError(_MALFORMED)
        stop = start + size
    elif wire_type in _FIXED:
        stop = start + _FIXED[wire_type]
    else:
        raise _FaultError(_MALFORMED)
    if stop > end:
        raise _FaultError(_MALFORMED)
    return number, wire_type, start, stop


def _varint(data: bytes, start: int, end: int, most_bytes: int) -> tuple[int, int]:
    """Return a number, and where it ends."""
    number = 0
    for place in range(start, min(end, start + most_bytes)):
        byte = data[place]
        if place - start == _VARINT_BYTES - 1 and byte > 1:
            break  # it has more than 64 bits
        number |= (byte & 0x7F) << 7 * (place - start)
        if byte < _TOP_BIT:
            return number, place + 1
    raise _FaultError(_MALFORMED)


def _check_text(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise _FaultError(_INVALID_UTF8) from None


def _built(payload: bytes, between: tuple[int, int], cuts: Sequence[Cut], level: int) -> bytes:
    """Return a part of a request without the cuts in it, which have at least `level` parents."""
    at, end = between
    parts: list[bytes] = []
    place = 0
    while place < len(cuts):
        start, stop, parents = cuts[place]  # plain tuples, where the compiled scan has found them
        if len(parents) == level:
            parts.append(payload[at:start])
            at, place = stop, place + 1
            continue
        start, content, stop, number = parents[level]
        beyond = place
        while beyond < len(cuts) and cuts[beyond][0] < stop:
            beyond += 1
        inner = _built(payload, (content, stop), cuts[place:beyond], level + 1)
        parts += [payload[at:start], delimited(number, inner)]
        at, place = stop, beyond
    parts.append(payload[at:end])
    return b"".join(parts)


def _compiled_scan(backend: Backend) -> Scan:
    return lambda payload, root, identified: backend.scan(payload, schema.TABLE, root, schema.SPAN, identified)


_scan: Final[Scan] = scan if compiled.backend is None else _compiled_scan(compiled.backend)
