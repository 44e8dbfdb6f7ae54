"""The likely cause of an alert, from recent extractions, and three of their traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.alerting.alert import AlertType
from otel_fe.alerting.sources import subject_of
from otel_fe.formatting import milliseconds
from otel_fe.pipeline.causes import line_of, rank
from otel_fe.pipeline.explanation import explain
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.semconv import CAUSE_CACHE_MISS, CAUSE_UNEXPLAINED

if TYPE_CHECKING:
    from otel_fe.alerting.evaluation import Evaluation
    from otel_fe.live.source import LiveSource
    from otel_fe.model.histogram import Exemplar
    from otel_fe.pipeline.extraction_series import Dimensions

_OBJECTIVES: Final = {
    subject_of("latency"): AlertType.LATENCY_THRESHOLD,
    subject_of("error_rate"): AlertType.ERROR_RATE_SPIKE,
    subject_of("cache_hit_rate"): AlertType.CACHE_DEGRADATION,
}
_LOOK_BACK_S: Final = 600.0
_MOST: Final = 3
_FEWEST: Final = 3
"""Slow extractions that a cause needs; fewer are no evidence about a group."""


class Likely(NamedTuple):
    """A likely cause."""

    cause: str = ""
    detail: str = ""
    line: str = ""
    """`file:line function` where most of its time went."""


def likely_cause(reading: Evaluation, source: LiveSource) -> Likely:
    """Return the most likely cause of an alert: the most frequent type of error, or the cause that costs slow extractions most."""
    if _about(reading) is AlertType.ERROR_RATE_SPIKE:
        return _error(reading, source)
    if not reading.group.feature_set and not reading.samples:
        return Likely()  # the alert is about the machine
    slow, hits = source.view.slow(reading.group, _LOOK_BACK_S)
    if len(slow) < _FEWEST:
        return Likely()
    if _about(reading) is AlertType.CACHE_DEGRADATION:
        missed = sum(one.missed for one in slow)
        return (
            Likely(CAUSE_CACHE_MISS, f"{missed} of {len(slow)} recent slow extractions missed") if missed else Likely()
        )
    causes = rank(slow, hits=hits)
    first = causes.ranked[0]
    lines = {one.cause: found[0] for one in causes.ranked if (found := line_of(one.cause, slow)) is not None}
    explanation = explain(reading.group.feature_set, None, causes.ranked, lines=lines, slow=len(slow))
    detail = f"{explanation.reason()}, of {len(slow)} recent slow extractions"
    if first.cause != CAUSE_UNEXPLAINED:
        now, without = milliseconds(causes.quantile_ns), milliseconds(first.quantile_without_ns)
        detail += f"; their p95 is {now} and would be {without} without it"
    return Likely(first.cause, detail, explanation.line)


def exemplars_of(reading: Evaluation, source: LiveSource) -> tuple[str, ...]:
    """Return ids of up to three kept traces that show the problem: recent ones, the clearest first."""
    if reading.group.service:
        return ()
    since = source.clock.time_ns() - int(max(_LOOK_BACK_S, reading.rule.window_s) * 1e9)
    found = [
        (_fits(reading, dimensions, one), one)
        for dimensions, one in source.exemplars()
        if one.time_ns >= since and dimensions.feature_set == reading.group.feature_set
    ]
    found.sort(key=lambda pair: (pair[0], pair[1].value), reverse=True)
    traces = dict.fromkeys(f"{one.trace_id:032x}" for fits, one in found if fits)
    return tuple(traces)[:_MOST]


def _about(reading: Evaluation) -> AlertType:
    """Return the subject of an alert; that of a burning budget is its objective's."""
    return _OBJECTIVES.get(reading.rule.subject, reading.rule.type)


def _fits(reading: Evaluation, dimensions: Dimensions, exemplar: Exemplar) -> bool:
    kind = _about(reading)
    if kind is AlertType.ERROR_RATE_SPIKE:
        return bool(dimensions.error_type)
    if kind is AlertType.CACHE_DEGRADATION:
        return dimensions.cache_hit is False
    if kind in {AlertType.LATENCY_THRESHOLD, AlertType.POOL_EXHAUSTION}:
        return exemplar.value >= LATENCY_LIMIT_NS
    return exemplar.value >= LATENCY_LIMIT_NS or bool(dimensions.error_type) or dimensions.cache_hit is False


def _error(reading: Evaluation, source: LiveSource) -> Likely:
    tally = source.view.window(reading.group, reading.rule.window_s).tally
    if not tally.error_types:
        return Likely()
    cause, times = max(tally.error_types.items(), key=lambda item: item[1])
    return Likely(cause, f"{times} of {tally.errors} errors are {cause}")
