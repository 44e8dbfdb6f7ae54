"""The prediction for another size of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe import formatting
from otel_fe.dashboard.what_if_outcome import LOW, MEDIUM, TIMES, WhatIfOutcome, graded, of_the_sample, weakest
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.forecast.pool_size import at_size, waits_at
from otel_fe.forecast.prediction import predict
from otel_fe.forecast.traffic import Traffic
from otel_fe.requirements import LATENCY_LIMIT_NS

if TYPE_CHECKING:
    from otel_fe.capacity.pool_traffic import PoolTraffic
    from otel_fe.forecast.pool_size import Waits
    from otel_fe.forecast.prediction import Prediction
    from otel_fe.store.observed import ObservedSample

_FEW: Final = 200
_MANY: Final = 1_000
_FAR: Final = 4.0
"""Where the theory is so many times off at the present size, it is not about this pool."""
_FAIR: Final = 0.5
_CLOSE: Final = 0.8
_WHOLE: Final = 0.95
_ASSUMPTIONS: Final = (
    "Callers come at random (Poisson), evenly over the window and over the processes; first come, first served.",
    "The database stays as fast: where it is the bottleneck, more connections move the wait there.",
    "How long an extraction waits does not depend on what else it does.",
)


def at_pool_size(
    sample: ObservedSample,
    now: Prediction,
    pool: PoolTraffic,
    size: int,
    processes: int,
    part: float,
    counted_p95_ns: float | None,
) -> WhatIfOutcome:
    """Return the answer.

    Args:
        sample: Kept extractions of the pool's service.
        now: Their present durations.
        pool: As its service reports it.
        size: The requested size.
        processes: How many share its requests, each with a pool of its own.
        part: How much of all recorded waits was for this pool, 0..1.
        counted_p95_ns: p95 of all extractions, by exact counts.

    Raises:
        ForecastError: What was measured does not say.
    """
    traffic = _traffic(sample, pool, processes)
    before, after = waits_at(traffic, traffic.size), waits_at(traffic, size)
    _believable(traffic, before, processes)
    durations, weights = at_size(sample.group, before, after, part)
    confidence, because = of_the_sample(sample, now, counted_p95_ns)
    grades, reasons = _grades(pool, traffic, before, size)
    return WhatIfOutcome(
        f"{formatting.count(size)} instead of {formatting.count(traffic.size)} connections in {pool.label}",
        now,
        predict(durations, weights, LATENCY_LIMIT_NS),
        _arithmetic(traffic, before, after, size, processes, part),
        _ASSUMPTIONS,
        weakest([confidence, *grades]),
        (*because, *reasons),
    )


def _traffic(sample: ObservedSample, pool: PoolTraffic, processes: int) -> Traffic:
    if pool.size is None:
        raise ForecastError(f"{pool.label} has no known size limit, so its callers do not wait because of its size.")
    if pool.requests < _FEW:
        raise ForecastError(
            f"{pool.label} was used only {formatting.count(pool.requests)} times in this window; {_FEW} are needed. Choose a "
            "longer window."
        )
    if pool.rate is None:
        raise ForecastError(
            f"{pool.label} was used in less than three minutes of this window, too few to estimate its request rate. Choose a "
            "longer window, or wait a little."
        )
    if not any(one.wait_ns for one in sample.group):
        raise ForecastError(
            "No kept extraction of this service waited for a pool, so another size would change nothing."
        )
    return Traffic(pool.size, pool.rate / processes, pool.use_s, pool.wait_s, 1.0, pool.use_variability)


def _believable(traffic: Traffic, before: Waits, processes: int) -> None:
    """Refuse a prediction by a theory that does not reproduce the present.

    Raises:
        ForecastError: The wait that was seen at the present size is another one.
    """
    if 1 / _FAR <= traffic.agreement <= _FAR:
        return
    theory, seen = before.mean_s, traffic.wait_s
    where = f" in each of {processes} processes" if processes > 1 else ""
    raise ForecastError(
        f"With {traffic.load:.3g} of {traffic.size} connections busy on average{where} callers would wait "
        f"{formatting.duration(theory * 1e9)} in the mean, and {formatting.duration(seen * 1e9)} was seen: "
        "queueing theory does not "
        "describe this pool. See whether the number of processes is right, and choose a window in which the load is even."
    )


def _arithmetic(
    traffic: Traffic, before: Waits, after: Waits, size: int, processes: int, part: float
) -> tuple[str, ...]:
    where = f"in each of {processes} processes " if processes > 1 else ""
    use = formatting.duration(traffic.use_s * 1e9)
    busy = (
        f"{traffic.rate:.4g} requests/s {where}{TIMES} {use} use = {traffic.load:.3g} connections busy on average, of "
        f"{traffic.size}: {formatting.percent(traffic.utilisation)}."
    )
    queue = (
        f"M/G/c (Erlang C, times (1 + {traffic.use_variability:.2f})/2 for how much uses vary): at {traffic.size}, "
        f"{_waiting(before)}; at {size}, {_waiting(after)}."
    )
    ratio = formatting.percent(after.mean_s / before.mean_s if before.mean_s else None)
    changed = (
        f"The wait that each kept extraction recorded is thinned and stretched by that, in the mean to {ratio}; the rest of its "
        "time stays."
    )
    said = [busy, queue, changed]
    if part < _WHOLE:
        said.append(
            f"Of all recorded waits {formatting.percent(part)} were for this pool: that part of each is changed."
        )
    return tuple(said)


def _waiting(waits: Waits) -> str:
    return f"{formatting.percent(waits.share)} wait {formatting.duration(waits.each_s * 1e9)} each"


def _grades(pool: PoolTraffic, traffic: Traffic, before: Waits, size: int) -> tuple[list[str], list[str]]:
    agreement = traffic.agreement
    near = min(agreement, 1 / agreement) if agreement else 0.0
    grades = [graded(near, _FAIR, _CLOSE), graded(pool.requests, _FEW, _MANY)]
    theory = formatting.duration(before.mean_s * 1e9)
    seen = formatting.duration(pool.wait_s * 1e9)
    said = [
        f"{formatting.count(pool.requests, 'requests')} in the window",
        f"at the present size the theory gives {theory} mean wait, and {seen} was seen",
    ]
    if grades[0] == LOW:
        said.append("that is far apart: see whether the number of processes is right, and the load even")
    if size < traffic.size:
        grades.append(MEDIUM)
        said.append("a smaller pool makes some wait that never did: how long is theory alone")
    return grades, said
