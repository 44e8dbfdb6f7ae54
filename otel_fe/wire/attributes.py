"""The attributes of a span, each decoded on first access.

Most reads concern the same few attributes, which are at the same places in most spans of a scope, and often have the same
values. So a scope remembers where it found a key last and what the bytes there meant, and the next answer is a look into a list and
a look into a dictionary. That the bytes there are an attribute of that key is no guess: protobuf has split them off, and they are
compared whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from otel_fe.wire.fields import delimited
from otel_fe.wire.messages import Head
from otel_fe.wire.values import read_attributes, read_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.span import Value

    Sought = dict[str, "Known"]
    """By key: what is known about it in one scope."""

_KEYS: Final = 256
"""Remembered for a scope: far more than a configuration uses."""
_VALUES: Final = 512
"""Remembered for a key."""
_VALUE_BYTES: Final = 128
"""Longer ones are not remembered."""
_ABSENT: Final = object()
_DOUBLE: Final = b"\x12\x09\x21"
"""The value, nine bytes long, which are the tag of a double and the double."""
_DOUBLE_BYTES: Final = 8
_AS_DOUBLE: Final = struct.Struct("<d").unpack_from
_REPLACED: Final = "\ufffd"
_REMEMBERED: Final = (str, bool, int)
"""Values that are shared because they are immutable and likely to recur."""


class Known:
    """The position and encoding of one key in the spans of a scope."""

    __slots__ = ("double", "key", "odd", "place", "prefix", "values")

    def __init__(self, key: str) -> None:
        self.key = key.encode("utf-8", "surrogatepass")
        self.prefix = delimited(1, self.key)
        """The first bytes of an attribute with this key in the usual encoding."""
        self.double = self.prefix + _DOUBLE
        """The first bytes of an attribute with this key that holds a double and nothing else."""
        self.odd = _REPLACED in key
        """Whether it may represent a key that is no UTF-8, which cannot be found by its bytes."""
        self.place = 0
        """Its last index among a span's attributes; -1 if the last span had none."""
        self.values: dict[bytes, Any] = {}
        """Keyed by the whole encoded attribute."""

    def remember(self, pair: bytes, value: Any) -> None:
        """Remember what an attribute means."""
        if len(self.values) >= _VALUES:
            self.values.clear()
        self.values[pair] = value


class WireAttributes(Mapping[str, "Value"]):
    """A span's attributes.

    Every key is there once, as OTLP demands. If a sender puts one twice, either of the two may be answered.

    Its fields are set by `decode` rather than by a constructor, which would cost as much again as all the rest of it.
    """

    __slots__ = ("head", "pairs", "raw", "sought")

    raw: bytes
    """The whole span."""
    head: Any
    """The same, parsed, together with the other spans of its request, as long as that is held; None after it."""
    pairs: Sequence[bytes] | None
    """Its attributes, each encoded; None until first read."""
    sought: Sought
    """Sought attributes of the scope."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or `default`."""
        known = self.sought.get(key)
        if known is None:
            return self._find(key, default)
        place = known.place
        if place >= 0:
            pairs = self.pairs
            if pairs is None:
                pairs = self.split()
            try:
                pair = pairs[place]
            except IndexError:
                return self._find(key, default)
            value = known.values.get(pair, _ABSENT)
            if value is not _ABSENT:
                return value
            # Times and ratios are never the same twice, and so not worth remembering.
            double = known.double
            if len(pair) == len(double) + _DOUBLE_BYTES and pair.startswith(double):
                return _AS_DOUBLE(pair, len(double))[0]
        elif known.key not in self.raw and not known.odd:
            return default
        return self._find(key, default)

    def __getitem__(self, key: str) -> Value:
        value: Value = self.get(key, _ABSENT)
        if value is _ABSENT:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key, _ABSENT) is not _ABSENT

    def __iter__(self) -> Iterator[str]:
        return iter(self.decoded())

    def __len__(self) -> int:
        return len(self.decoded())

    def __repr__(self) -> str:
        return repr(self.decoded())

    def items(self) -> Any:
        """Return all of them, freshly decoded; cheaper than reading each."""
        return self.decoded().items()

    def values(self) -> Any:
        """Return all values, freshly decoded."""
        return self.decoded().values()

    def decoded(self) -> dict[str, Value]:
        """Return all of them as a new dictionary."""
        return read_attributes(self.pairs if self.pairs is not None else self.split())

    def split(self) -> Sequence[bytes]:
        """Have protobuf split the attributes, unless it has, without looking into them."""
        head = self.head
        if head is None:
            try:
                head = Head.FromString(self.raw)
            except DecodeError:  # not if `decode` has accepted it
                head = Head()
        pairs: Sequence[bytes] = head.attributes
        self.pairs = pairs
        return pairs

    def _find(self, key: str, default: Any) -> Any:
        """Find it at any index, and remember the index."""
        known = self.sought.get(key) or self._remember(key)
        if known.key not in self.raw and not known.odd:
            known.place = -1
            return default
        prefix = known.prefix
        for place, pair in enumerate(self.split() if self.pairs is None else self.pairs):
            if pair.startswith(prefix):
                read = read_pair(pair)
                # In an unusual encoding another key may follow the first, and would be the one that counts.
                if read is None or read[0] != key:
                    break
                known.place = place
                if len(pair) <= _VALUE_BYTES and isinstance(read[1], _REMEMBERED):
                    known.remember(pair, read[1])
                return read[1]
        return self.decoded().get(key, default)

    def _remember(self, key: str) -> Known:
        sought = self.sought
        if len(sought) >= _KEYS:
            sought.clear()
        known = sought[key] = Known(key)
        return known
