"""The traffic of pools, as services report it: requests, hold times of connections, waits of callers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.store.series_keys import Which
from otel_fe.units import MINUTE_NS, NS_PER_S

if TYPE_CHECKING:
    from otel_fe.store.distribution import Distribution
    from otel_fe.store.series import StoredSeries

_POINTS: Final = 200


@dataclass(frozen=True, slots=True)
class PoolTraffic:
    """One pool of one service in a window, over all processes of the service."""

    name: str
    service: str
    size: int | None
    """Connections that the pool of one process can open; None without a bound."""
    requests: int
    rate: float | None
    """Requests a second, over the minutes with requests (tens of minutes or hours, if longer ago); None with fewer than three of
    them, since the first and the last are incomplete."""
    use_s: float
    """Mean time from borrowing to returning."""
    use_variability: float
    """Squared coefficient of variation of that time, by its histogram."""
    wait_s: float
    """Mean wait, without opening connections."""
    wait_total_s: float
    """All waits, including opening, as extractions record them."""

    @property
    def label(self) -> str:
        """Return the label by which a reader chooses the pool."""
        return f"{self.name or '(no name)'} of {self.service or '(no name)'}"


def pools_of(series: StoredSeries, window: tuple[int, int], service: str | None) -> list[PoolTraffic]:
    """Return the pools that were used in a window, the one that was waited for longest first."""
    names = {
        (key.service, str(key.labels.get(semconv.POOL, "")))
        for key in series.keys(semconv.CONNECTION_USE_TIME)
        if service in (None, key.service)
    }
    found = [_pool(series, window, *one) for one in names]
    return sorted((one for one in found if one.requests), key=lambda one: (-one.wait_total_s, one.label))


def _pool(series: StoredSeries, window: tuple[int, int], service: str, name: str) -> PoolTraffic:
    labels = {semconv.POOL: name}
    waits, uses, creations = (
        series.histogram(Which(metric, service, labels), *window)
        for metric in (semconv.CONNECTION_WAIT_TIME, semconv.CONNECTION_USE_TIME, semconv.CONNECTION_CREATE_TIME)
    )
    steps = series.histogram_by_step(Which(semconv.CONNECTION_USE_TIME, service, labels), *window, MINUTE_NS)
    sizes = series.gauge_by_step(Which(semconv.CONNECTION_MAX, service, labels), *window, window[1] - window[0])
    queued_s = max(0.0, waits.total - creations.total)
    return PoolTraffic(
        name,
        service,
        round(sizes[-1].last) if sizes and sizes[-1].last >= 1 else None,
        uses.count,
        _rate([(time_ns, spread.count) for time_ns, spread in steps if spread.count]),
        uses.total / uses.count if uses.count else 0.0,
        variability(uses),
        queued_s / waits.count if waits.count else 0.0,
        waits.total,
    )


def _rate(steps: list[tuple[int, int]]) -> float | None:
    """Return the requests a second of steps of time, given when each begins (ns) and its requests, in order."""
    inner = steps[1:-1]
    if not inner:
        return None
    # Steps begin at multiples of their width, which is that of the store's rows.
    width_s = math.gcd(*(time_ns // NS_PER_S for time_ns, _ in steps))
    return sum(count for _, count in inner) / (len(inner) * width_s)


def variability(spread: Distribution) -> float:
    """Return the squared coefficient of variation of what a histogram has counted, about: values lie evenly in each bucket."""
    values = [spread.quantile((number + 0.5) / _POINTS) or 0.0 for number in range(_POINTS)]
    mean = math.fsum(values) / _POINTS
    return math.fsum((value - mean) ** 2 for value in values) / _POINTS / mean**2 if mean else 1.0
