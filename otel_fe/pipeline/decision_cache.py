"""Remembers the decisions on traces, so that late spans can follow them: many, with little memory for each.

A table of 64-bit words, open addressing: 48 bits made from the trace's id, and the number of its decision. When as many are in
it as shall be remembered, it becomes the old table and an empty one takes its place; entries found in the old one move
over. So at least the given number is remembered, at the most twice that, and remembering costs the same however many there
are: no single entry is ever deleted, no table ever grows. A stranger is taken for one of two million remembered traces
with a probability of one in 140 million.
"""

from __future__ import annotations

import os
from array import array
from itertools import groupby
from typing import TYPE_CHECKING, Final

from otel_fe import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.compiled.protocols import KeyOf, RememberedDecisions
    from otel_fe.model.decision import Decision

_NUMBER_BITS: Final = 16
_NUMBER: Final = (1 << _NUMBER_BITS) - 1
_MASK: Final = (1 << 64) - 1
_KEY: Final = _MASK - _NUMBER
_MIX: Final = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio: spreads every bit of an id over the upper bits of the product."""
_SALT: Final = int.from_bytes(os.urandom(8), "big") | 1
"""The salted position of a key in a table; senders choose ids, and must not know which collide."""


class _Table:
    """Words by open addressing, four fifths full at the most; 0 is an empty place."""

    __slots__ = ("count", "decisions", "limit", "mask", "numbers", "shift", "words")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        bits = (limit * 5 // 4 + 1).bit_length()
        self.mask = (1 << bits) - 1
        self.shift = 64 - bits
        self.words = array("Q", bytes(8 * (self.mask + 1)))
        self.decisions: list[Decision] = []
        self.numbers: dict[int, int] = {}
        """The index of each in `decisions`, by identity: equal ones may occur twice."""

    def get(self, key: int) -> Decision | None:
        """Return the decision that is remembered under a key, if any."""
        words, mask = self.words, self.mask
        index = (key * _SALT & _MASK) >> self.shift
        while word := words[index]:
            if word & _KEY == key:
                return self.decisions[word & _NUMBER]
            index = index + 1 & mask
        return None

    def put(self, key: int, decision: Decision) -> bool:
        """Remember; False where there is no room."""
        number = self.numbers.get(id(decision))
        if number is None:
            if len(self.decisions) > _NUMBER:
                return False
            number = self.numbers[id(decision)] = len(self.decisions)
            self.decisions.append(decision)
        words, mask = self.words, self.mask
        index = (key * _SALT & _MASK) >> self.shift
        while (word := words[index]) and word & _KEY != key:
            index = index + 1 & mask
        if not word:
            if self.count >= self.limit:
                return False
            self.count += 1
        words[index] = key | number
        return True


class PlainDecisionCache:
    """Decisions by key of trace id: at least the last `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._now = _Table(self._limit)
        self._before: _Table | None = None

    def __len__(self) -> int:
        return self._now.count + (0 if self._before is None else self._before.count)

    def __getitem__(self, key: int) -> Decision | None:
        """Return the decision of a trace, by `key_of` its id; None where none is remembered."""
        found = self._now.get(key)
        if found is None and self._before is not None:
            found = self._before.get(key)
            if found is not None:
                self[key] = found
        return found

    def __setitem__(self, key: int, decision: Decision) -> None:
        """Remember the decision of a trace, by `key_of` its id."""
        if not self._now.put(key, decision):
            self._before = self._now
            self._now = _Table(self._limit)
            self._now.put(key, decision)

    @property
    def longest(self) -> int:
        """Return the longest run of occupied words in the newer table: the worst case of a look-up."""
        return max(len(list(run)) if any_of else 0 for any_of, run in groupby(self._now.words, bool))

    @property
    def size_bytes(self) -> int:
        """Memory of the tables."""
        return 8 * len(self._now.words) + (0 if self._before is None else 8 * len(self._before.words))


DecisionCache: Final[Callable[[int], RememberedDecisions]] = (
    PlainDecisionCache if compiled.backend is None else compiled.backend.DecisionCache
)


def plain_key_of(trace_id: int) -> int:
    """Return 48 bits of an id, never all zero, above the bits of the number."""
    return ((trace_id ^ (trace_id >> 64) * _MIX) * _MIX & _KEY) or 1 << _NUMBER_BITS


key_of: Final[KeyOf] = plain_key_of if compiled.backend is None else compiled.backend.key_of
