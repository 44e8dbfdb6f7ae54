"""The series of one metric of one resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model.metric import SeriesAttributes
from otel_fe.pipeline.span_metrics.exemplar_reservoir import Reservoir

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.model.span import Attributes
    from otel_fe.pipeline.span_metrics.aggregates import Aggregate
    from otel_fe.pipeline.span_metrics.dimensions import Key

OVERFLOW: Final[Attributes] = {"otel.metric.overflow": True}
FIXED_BITS: Final = 64
_FRACTION: Final = (1 << FIXED_BITS) - 1


class Series:
    """One combination of dimensions."""

    __slots__ = ("aggregate", "attributes", "carry", "record", "reported", "reservoir", "seen_ns", "start_ns")

    def __init__(self, aggregate: Aggregate, attributes: Attributes, now_ns: int) -> None:
        self.aggregate = aggregate
        self.record = aggregate.record
        """Counts a duration in ns, so many times over."""
        self.attributes: Attributes = SeriesAttributes(attributes)
        self.start_ns = now_ns
        """Unix time of its first span."""
        self.seen_ns = 0
        """Monotonic time of its last: no jump of the wall clock makes it expire."""
        self.carry = 1 << FIXED_BITS - 1  # half a span: sums are rounded, not cut off
        self.reservoir = Reservoir()
        self.reported = False
        """Whether a point of it has been collected."""

    def whole(self, adjusted: int) -> int:
        """Return the count of a span whose weight is `adjusted` parts of 2**-64.

        What is not a whole one is carried over, so that the sum is right to half a span without a random number.
        """
        total = self.carry + adjusted
        self.carry = total & _FRACTION
        return total >> FIXED_BITS


class SeriesMap:
    """Series by key; past a limit the rest is folded into one."""

    __slots__ = ("_limit", "_make", "by_key", "overflow")

    def __init__(self, make: Callable[[], Aggregate], limit: int) -> None:
        self._make = make
        self._limit = limit
        """0 for none."""
        self.by_key: dict[Key, Series] = {}
        self.overflow: Series | None = None

    def add(self, key: Key, attributes: Callable[[], Attributes], now_ns: int) -> Series:
        """Return a new series, or the one for all that no longer fit."""
        if self._limit and len(self.by_key) >= self._limit:
            if self.overflow is None:
                self.overflow = Series(self._make(), OVERFLOW, now_ns)
            return self.overflow
        series = self.by_key[key] = Series(self._make(), attributes(), now_ns)
        return series

    def find(self, key: Key) -> tuple[Series | None, bool]:
        """Return the series that a span with a key is counted in, None if it begins one; and whether it is of this key alone."""
        found = self.by_key.get(key)
        if found is not None:
            return found, True
        return (self.overflow if self._limit and len(self.by_key) >= self._limit else None), False

    def of(self, key: Key) -> Series | None:
        """Return the series that a key is counted in."""
        return self.by_key.get(key, self.overflow)

    def items(self) -> list[tuple[Key, Series]]:
        """Return every series with its key; the overflow's is empty."""
        found = list(self.by_key.items())
        return found if self.overflow is None else [*found, ((), self.overflow)]

    def expire(self, until_ns: int) -> None:
        """Forget the series whose last span came at that monotonic time or before."""
        for key in [key for key, series in self.by_key.items() if series.seen_ns <= until_ns]:
            del self.by_key[key]
        if self.overflow is not None and self.overflow.seen_ns <= until_ns:
            self.overflow = None
