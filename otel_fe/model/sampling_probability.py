"""The probability with which a policy samples a trace, in a form that can be combined.

A policy that samples by chance compares a random number of the trace with a threshold: its own randomness, or a hash of its
id and a salt, which is independent of that. Two policies on the same number are nested, so that together they sample
with the lower threshold; on different numbers they are not.

An inclusion is one of
* an integer: the threshold on the trace's own randomness; 0 always, 2**56 never;
* a tuple of `(salt, threshold)`: all of these must hold, the trace's own randomness having the salt "";
* None: not known, as after a `not` of a policy that samples by chance.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Final

from otel_fe.model.probability import ALWAYS, NEVER

if TYPE_CHECKING:
    from fractions import Fraction

SamplingProbability = int | tuple[tuple[str, int], ...] | None

_MOST_TERMS: Final = 10
"""More policies than this with salts of their own, and the probability counts as not known."""


def intersection(first: SamplingProbability, second: SamplingProbability) -> SamplingProbability:
    """Return the inclusion of what two policies must both sample."""
    if type(first) is int and type(second) is int:
        return max(first, second)
    if NEVER in (first, second):
        return NEVER
    if first is None or second is None:
        return None
    joined = dict(_salted(first))
    for salt, threshold in _salted(second):
        joined[salt] = max(joined.get(salt, ALWAYS), threshold)
    return _plain(joined)


def any_of(inclusions: list[SamplingProbability]) -> int | None:
    """Return the threshold that has the probability of a trace that at least one of several policies samples."""
    if all(type(inclusion) is int for inclusion in inclusions):
        return min(inclusions, default=NEVER)  # type: ignore[type-var, return-value]
    if ALWAYS in inclusions:
        return ALWAYS
    terms = {inclusion for inclusion in inclusions if inclusion != NEVER}
    if None in terms or len(terms) > _MOST_TERMS:
        return None
    if len(terms) == 1 and len(only := _salted(next(iter(terms)))) == 1:  # type: ignore[arg-type]
        return only[0][1]
    return _joint_threshold(frozenset(terms))


@functools.lru_cache(1_024)
def _joint_threshold(terms: frozenset[SamplingProbability]) -> int:
    """Return the threshold of any of several terms; policies that stay the same have the same few combinations of them."""
    return NEVER - round(_union([dict(_salted(term)) for term in terms if term is not None]) * NEVER)


def _union(terms: list[dict[str, int]]) -> Fraction:
    """Inclusion and exclusion over independent random numbers."""
    from fractions import Fraction  # noqa: PLC0415 see `randomness.hash_limit`

    total = Fraction(0)
    for size in range(1, len(terms) + 1):
        for chosen in itertools.combinations(terms, size):
            share = Fraction(1)
            for salt in {salt for term in chosen for salt in term}:
                share *= Fraction(NEVER - max(term.get(salt, ALWAYS) for term in chosen), NEVER)
            total += share if size % 2 else -share
    return total


def _salted(inclusion: int | tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    return (("", inclusion),) if isinstance(inclusion, int) else inclusion


def _plain(joined: dict[str, int]) -> SamplingProbability:
    if set(joined) == {""}:
        return joined[""]
    return tuple(sorted(joined.items()))
