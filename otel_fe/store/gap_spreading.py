"""Distributes the increments between two points over the time between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.units import MINUTE_S, NS_PER_S

if TYPE_CHECKING:
    from otel_fe.store.counts import Counts

_AT_ONCE_NS: Final = 120 * NS_PER_S
"""An interval no longer than this is an ordinary one, and belongs to the minute in which it ends."""
_BY_MINUTES_NS: Final = 5_400 * NS_PER_S
"""A gap no longer than this is filled minute by minute, a longer one by tens of minutes."""


def spread_over_gap(since_ns: int, until_ns: int, counts: Counts) -> list[tuple[int, Counts]]:
    """Return parts of `counts`, each with the minute (Unix time, s) that it belongs to; together they are all of it.

    After a gap, what came in between is spread evenly over it. In its last minute it would look like a burst, and a burn rate over
    five minutes would see the errors of an hour.
    """
    last = max(0, until_ns - 1) // (MINUTE_S * NS_PER_S) * MINUTE_S
    length = until_ns - since_ns
    if length <= _AT_ONCE_NS or counts.count < 0:
        return [(last, counts)]
    step = (MINUTE_S if length <= _BY_MINUTES_NS else 10 * MINUTE_S) * NS_PER_S
    parts: list[tuple[int, Counts]] = []
    done = counts.share(0, 1)
    for begin in range(since_ns // step * step, until_ns, step):
        upto = counts.share(min(begin + step, until_ns) - since_ns, length)
        # Each part is the difference of two that were rounded down, so that nothing is lost on the way to the last, the whole.
        part = upto.since(done)
        if part:
            parts.append((max(begin, since_ns) // (MINUTE_S * NS_PER_S) * MINUTE_S, part))
        done = upto
    return parts
