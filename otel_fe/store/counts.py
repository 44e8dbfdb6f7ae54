"""The values of a metric as integers: added, subtracted and split without loss.

Sums are integers too, in units fine enough for them (`scale_of`), because sums of floats depend on their order, and rolled up they
would not be what they were.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER: Final = struct.Struct("<ic")
"""Header of packed buckets: index of the first, and the type of the numbers that follow."""
_INDEX: Final = struct.Struct("<i")
_TYPES: Final = ((1 << 8, b"B"), (1 << 16, b"H"), (1 << 32, b"I"), (1 << 64, b"Q"))
_SMALL: Final = _TYPES[0][0]
_SCALES: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1, "By": 1}
FINEST: Final = 3
"""Scale to which exponential histograms are brought: buckets of 9 %."""


@dataclass(slots=True)
class Counts:
    """The value of a counter, or of a histogram everything that can be added up.

    Not to be changed; declared frozen, it would take three times as long to make.
    """

    count: int
    total: int = 0
    """Sum of all values, times the series' scale."""
    zeros: int = 0
    """Of an exponential histogram: values of 0 and below."""
    buckets: Mapping[int, int] = field(default_factory=dict)
    """Keyed by index; those without any are left out."""

    def __bool__(self) -> bool:
        return bool(self.count or self.total)

    def __add__(self, other: Counts) -> Counts:
        """Return both together."""
        buckets = dict(self.buckets)
        for index, count in other.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        return Counts(self.count + other.count, self.total + other.total, self.zeros + other.zeros, buckets)

    def since(self, earlier: Counts) -> Counts | None:
        """Return what was counted after `earlier`; None where this cannot have come after it, since it is less somewhere."""
        buckets = dict(self.buckets)
        for index, count in earlier.buckets.items():
            left = buckets.get(index, 0) - count
            if left < 0:
                return None
            if left:
                buckets[index] = left
            else:
                del buckets[index]
        if self.count < earlier.count or self.zeros < earlier.zeros:
            return None
        return Counts(self.count - earlier.count, self.total - earlier.total, self.zeros - earlier.zeros, buckets)

    def share(self, numerator: int, denominator: int) -> Counts:
        """Return that part of it, rounded down: the first of several parts, when the next is what is left."""
        buckets = {index: part for index, count in self.buckets.items() if (part := count * numerator // denominator)}
        zeros = self.zeros * numerator // denominator
        # A histogram's count is that of its buckets, in each part too.
        whole = bool(self.buckets) or bool(self.zeros)
        count = zeros + sum(buckets.values()) if whole else self.count * numerator // denominator
        return Counts(count, self.total * numerator // denominator, zeros, buckets)

    def coarser(self, by: int) -> Counts:
        """Return an exponential histogram with its scale lowered by so much."""
        if not by:
            return self
        buckets: dict[int, int] = {}
        for index, count in self.buckets.items():
            buckets[index >> by] = buckets.get(index >> by, 0) + count
        return Counts(self.count, self.total, self.zeros, buckets)


def scale_of(unit: str) -> int:
    """Return how many parts of a unit sums are kept in: a nanosecond, a byte, and a millionth of anything else."""
    return _SCALES.get(unit, 1_000_000)


def pack_buckets(buckets: Mapping[int, int]) -> bytes:
    """Return buckets as they are stored: from the first to the last that has any, in numbers as small as will do."""
    if not buckets:
        return b""
    first = min(buckets)
    length = max(buckets) - first + 1
    most = max(buckets.values())
    code = b"B" if most < _SMALL else next((code for limit, code in _TYPES if most < limit), b"Q")
    dense = [0] * length
    for index, count in buckets.items():
        dense[index - first] = count
    return _HEADER.pack(first, code) + _packer(length, code).pack(*dense)


@lru_cache(maxsize=2_048)
def _packer(length: int, code: bytes) -> struct.Struct:
    return struct.Struct(f"<{length}{code.decode()}")


def add_packed(packed: bytes, into: dict[int, int]) -> None:
    """Add packed buckets to others."""
    if not packed:
        return
    first, counts = unpacked(packed)
    for index, count in enumerate(counts, first):
        if count:
            into[index] = into.get(index, 0) + count


def unpacked(packed: bytes) -> tuple[int, tuple[int, ...]]:
    """Return packed buckets, of which there are some: the index of the first, and the counts from there on."""
    return _INDEX.unpack_from(packed)[0], _row(len(packed), packed[_INDEX.size]).unpack_from(packed, _HEADER.size)


@lru_cache(maxsize=2_048)
def _row(size: int, code: int) -> struct.Struct:
    """Return how the counts of packed buckets are read, by how many bytes they take and the number of their type's letter."""
    kind = chr(code)
    return struct.Struct(f"<{(size - _HEADER.size) // struct.calcsize('<' + kind)}{kind}")
