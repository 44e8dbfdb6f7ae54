"""The heat map's latency axis: four buckets for each doubling, with an edge exactly at the objective.

Bucket i holds `edge(i) <= duration < edge(i + 1)`: 100 ms itself is not less than 100 ms, and lies above the line.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from otel_fe.requirements import LATENCY_LIMIT_NS

_PER_DOUBLING: Final = 4
_BELOW: Final = 20 * _PER_DOUBLING
"""Down to 95 ns."""
_ABOVE: Final = 16 * _PER_DOUBLING
"""Up to nearly two hours."""
EDGES_NS: Final = tuple(round(LATENCY_LIMIT_NS * 2 ** (step / _PER_DOUBLING)) for step in range(-_BELOW, _ABOVE + 1))
"""Lower edges, from bucket 1; bucket 0 begins at 0. A file's buckets are numbered by these: to change them is a migration."""


def bucket_of(duration_ns: int) -> int:
    """Return the number of a duration's bucket."""
    return bisect_right(EDGES_NS, duration_ns)


def bounds_of(bucket: int) -> tuple[int, int | None]:
    """Return a bucket's lower edge, which it holds, and its upper one, which it does not; None where it has none."""
    low = EDGES_NS[bucket - 1] if bucket else 0
    return low, EDGES_NS[bucket] if bucket < len(EDGES_NS) else None
