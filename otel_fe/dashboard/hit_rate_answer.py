"""The prediction for another hit rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe import formatting
from otel_fe.dashboard.what_if_outcome import TIMES, WhatIfOutcome, of_the_sample
from otel_fe.forecast.hit_rate import at_hit_ratio, hit_ratio
from otel_fe.forecast.prediction import predict
from otel_fe.requirements import LATENCY_LIMIT_NS

if TYPE_CHECKING:
    from otel_fe.forecast.prediction import Prediction
    from otel_fe.store.observed import ObservedSample

_ASSUMPTIONS = (
    "Those that would hit are like those that hit now, and the others like those that miss now.",
    "The load on database and pool stays: in truth more hits relieve it, fewer burden it, so that the change would be larger.",
)


def at_hit_rate(sample: ObservedSample, now: Prediction, ratio: float, counted_p95_ns: float | None) -> WhatIfOutcome:
    """Return the answer.

    Args:
        sample: Kept extractions.
        now: Their present durations.
        ratio: The requested share of extractions whose every look-up hits, 0..1.
        counted_p95_ns: p95 of all extractions, by exact counts.

    Raises:
        ForecastError: The kept extractions do not suffice for an answer.
    """
    group = sample.group
    weights = at_hit_ratio(group, ratio)
    present = hit_ratio(group) or 0.0
    durations = [one.duration_ns for one in group]
    confidence, because = of_the_sample(sample, now, counted_p95_ns)
    hits, misses = (sum(one.hit is kind for one in group) for kind in (True, False))
    seen = (
        f"Of the kept extractions that look up, {formatting.percent(present)} by weight find all of it "
        f"({formatting.count(hits)} that hit, {formatting.count(misses)} that missed)."
    )
    factors = (
        f"Each that hit weighs {TIMES} {_factor(ratio, present)}, each that missed {TIMES} {_factor(1 - ratio, 1 - present)}, "
        "those that look nothing up as before; p95 is that of the new mix."
    )
    return WhatIfOutcome(
        f"Hit rate {formatting.percent(ratio)} instead of {formatting.percent(present)}",
        now,
        predict(durations, weights, LATENCY_LIMIT_NS),
        (seen, factors),
        _ASSUMPTIONS,
        confidence,
        because,
    )


def _factor(then: float, now: float) -> str:
    return f"{100 * then:.4g} % / {100 * now:.3g} % = {then / now:.3g}" if now else "1"
