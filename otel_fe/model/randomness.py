"""A second random number of a trace, beside its own randomness: a hash of its id and a salt.

A `probabilistic` policy decides by a trace's own randomness (`model/probability.py`) where the trace says in its `tracestate`
how it was sampled before. Where it says nothing, the Collector hashes the id, and so do we, so that both keep the same
traces. Source: tailsamplingprocessor v0.160, `probabilistic`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.compiled.protocols import HashOf

_OFFSET: Final = 0xCBF29CE484222325
_PRIME: Final = 0x100000001B3
_MASK: Final = (1 << 64) - 1

DEFAULT_SALT: Final = "default-hash-seed"
"""The Collector's default seed for hashing trace ids."""


def plain_hash_of(salted: int, trace_id: int) -> int:
    """Return the 64 bits of FNV-1a of a salt and the 16 bytes of a trace's id.

    Args:
        salted: `fnv1a` of the salt.
        trace_id: 128 bits.
    """
    # Written out, and cut to 64 bits every fourth byte only, which changes nothing below them: it is done for every trace, and
    # nothing else that is costs as much. `fnv1a` is what it must agree with.
    a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = trace_id.to_bytes(16, "big")  # noqa: E741 sixteen bytes, not names
    found = ((((salted ^ a) * _PRIME ^ b) * _PRIME ^ c) * _PRIME ^ d) * _PRIME & _MASK
    found = ((((found ^ e) * _PRIME ^ f) * _PRIME ^ g) * _PRIME ^ h) * _PRIME & _MASK
    found = ((((found ^ i) * _PRIME ^ j) * _PRIME ^ k) * _PRIME ^ l) * _PRIME & _MASK
    return ((((found ^ m) * _PRIME ^ n) * _PRIME ^ o) * _PRIME ^ p) * _PRIME & _MASK


hash_of: Final[HashOf] = plain_hash_of if compiled.backend is None else compiled.backend.hash_of


def drawing(random: Callable[[], float]) -> Callable[[int], int]:
    """Return what draws an integer from 0 to its argument less one, all alike to 2**-53 of it.

    That takes a quarter of what `randrange` does.

    Args:
        random: Returns a number in [0, 1).
    """
    return lambda below: int(random() * below)


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
    from fractions import Fraction  # noqa: PLC0415 with `decimal` it takes two milliseconds, and a process without this policy needs neither

    exact = Fraction(ratio) * _MASK
    if exact >= _MASK:
        return _MASK
    shift = 64 - int(exact).bit_length()
    return int(Fraction(round(exact * (1 << shift)), 1 << shift))
