"""A second random number of a trace, beside its own randomness: a hash of its id and a salt.

A `probabilistic` policy decides by a trace's own randomness (`model/probability.py`) where the trace says in its `tracestate`
how it was sampled before. Where it says nothing, the Collector hashes the id, and so do we, so that both keep the same
traces. Source: tailsamplingprocessor v0.160, `probabilistic`.
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Final

_OFFSET: Final = 0xCBF29CE484222325
_PRIME: Final = 0x100000001B3
_MASK: Final = (1 << 64) - 1

DEFAULT_SALT: Final = "default-hash-seed"
"""What the Collector hashes trace ids with unless told otherwise."""


def hash_of(salt: str, trace_id: int) -> int:
    """Return the 64 bits of FNV-1a of a salt and the 16 bytes of a trace's id."""
    found = _salted(salt)
    for byte in trace_id.to_bytes(16, "big"):
        found = (found ^ byte) * _PRIME & _MASK
    return found


@functools.lru_cache(64)
def _salted(salt: str) -> int:
    return fnv1a(salt.encode())


def fnv1a(data: bytes) -> int:
    """Return the 64 bits of FNV-1a."""
    found = _OFFSET
    for byte in data:
        found = (found ^ byte) * _PRIME & _MASK
    return found


def hash_limit(ratio: float) -> int:
    """Return the highest hash that is sampled with `ratio` (0..1); 0 where hardly any is.

    The product is rounded to 64 significant bits and then cut off, as Go's `big.Float` does it: one hash in 2**64 more or less
    would not matter, but equal must be equal.
    """
    exact = Fraction(ratio) * _MASK
    if exact >= _MASK:
        return _MASK
    shift = 64 - int(exact).bit_length()
    return int(Fraction(round(exact * (1 << shift)), 1 << shift))
