"""The edges of the histograms, in their metrics' units and exact: where a threshold can be counted at.

`pipeline/extraction_series.py` counts in integers by the same edges; a test holds the two equal.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from otel_fe import semconv
from otel_fe.units import MIB

_MS: Final = Fraction(1, 1_000)
_GB: Final = 1_000_000_000


def _seconds(*milliseconds: str) -> tuple[Fraction, ...]:
    return tuple(Fraction(ms) * _MS for ms in milliseconds)


_DURATION: Final = _seconds(
    *("0.1", "0.25", "0.5", "1", "1.5", "2", "2.5", "3", "4", "5", "6", "7", "8", "10", "12", "14", "16", "18", "20"),
    *("25", "30", "35", "40", "45", "50", "55", "60", "65", "70", "75", "80", "85", "90", "95", "100", "105", "110"),
    *("120", "130", "140", "150", "175", "200", "225", "250", "300", "350", "400", "450", "500", "600", "700", "800"),
    *("1000", "1500", "2000", "3000", "5000", "10000", "15000", "20000", "30000"),
    *("60000", "120000", "300000"),
)
_TIME: Final = _seconds(
    *("0.01", "0.1", "0.5", "1", "2.5", "5", "10", "25", "50", "75", "100", "250", "500", "1000", "2500", "5000")
)
_MEMORY: Final = tuple(
    Fraction(size)
    for size in (
        *(0, 64 * 1024, 256 * 1024, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB),
        *(_GB, 2 * _GB, 4 * _GB),
    )
)
EDGES: Final[dict[str, tuple[Fraction, ...]]] = {
    semconv.DURATION: _DURATION,
    semconv.CPU_TIME_METRIC: _TIME,
    semconv.POOL_WAIT_METRIC: _TIME,
    semconv.MEMORY_GROWTH_METRIC: _MEMORY,
}
"""Keyed by metric, ascending: seconds or bytes. A value equal to an edge is counted below it."""
