"""The memory of a process by how many extractions it runs at once, and the concurrency at which it reaches its limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.capacity.measured import ServiceWindow, Setup

_FEWEST: Final = 12
_VARIED: Final = 2
"""The most at once has to differ by as many between windows."""
_SIGNIFICANT: Final = 4.0
"""Standard errors that the memory of one extraction is above 0, beside what time explains: a leak grows with time."""
_PEAK: Final = 2.0
"""The most of about 60 samples of a Poisson distribution lies so many standard deviations above its mean."""
_OFF: Final = (0.5, 4.0)


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of each process."""

    base_bytes: float
    """Memory without any extraction, at the end of the measured time."""
    each_bytes: float
    """The growth of the peak for one more concurrent extraction."""
    limit_bytes: float
    processes: float
    burst: float = 1.0
    """The most at once that was seen over what a Poisson distribution has."""

    def used_bytes(self, rate: float, mean_s: float) -> float:
        """Return the most memory of one process in a minute.

        Args:
            rate: Extractions a second, of all processes.
            mean_s: Their mean duration.
        """
        return self.base_bytes + self.each_bytes * self.burst * most_at_once(rate * mean_s / self.processes)


def most_at_once(mean: float) -> float:
    """Return about how many extractions run at once at most in a minute, by their mean number (rate times duration, Little)."""
    return mean + _PEAK * math.sqrt(mean)


def memory_of(windows: Sequence[ServiceWindow], setup: Setup) -> Memory | None:
    """Return the memory of a service's processes; None where no limit is known, or memory does not grow with the concurrency."""
    told = [one for one in windows if one.memory_bytes is not None and one.peak]
    if setup.memory_limit_bytes is None or len(told) < _FEWEST:
        return None
    peaks = [float(one.peak or 0) for one in told]
    if max(peaks) - min(peaks) < _VARIED:
        return None
    times = [(one.since_ns - told[0].since_ns) / 1e9 for one in told]
    values = [float(one.memory_bytes or 0) for one in told]
    fit = _plane(peaks, times, values)
    if fit is None:
        return None
    base, each, error, trend = fit
    if each < _SIGNIFICANT * error:
        return None
    means = [one.rate * one.total_s / one.count / setup.processes for one in told]
    bursts = sorted(peak / most_at_once(mean) for peak, mean in zip(peaks, means, strict=True) if mean > 0)
    burst = min(max(bursts[len(bursts) // 2], _OFF[0]), _OFF[1])
    return Memory(base + max(0.0, trend) * times[-1], each, setup.memory_limit_bytes, setup.processes, burst)


def _plane(
    peaks: Sequence[float], times: Sequence[float], values: Sequence[float]
) -> tuple[float, float, float, float] | None:
    """Return intercept, slope by peak, its standard error, and slope by time, of the plane of least squares; None without one."""
    count = len(values)
    mean_peak, mean_time, mean_value = (math.fsum(each) / count for each in (peaks, times, values))
    peak = [one - mean_peak for one in peaks]
    time = [one - mean_time for one in times]
    value = [one - mean_value for one in values]
    pp, tt, pt = _dot(peak, peak), _dot(time, time), _dot(peak, time)
    determinant = pp * tt - pt * pt
    if determinant <= 1e-9 * pp * tt:
        return None
    pv, tv = _dot(peak, value), _dot(time, value)
    each = (pv * tt - tv * pt) / determinant
    trend = (tv * pp - pv * pt) / determinant
    left = math.fsum((v - each * p - trend * t) ** 2 for v, p, t in zip(value, peak, time, strict=True))
    error = math.sqrt(left / (count - 3) * tt / determinant)
    return mean_value - each * mean_peak - trend * mean_time, each, error, trend


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
