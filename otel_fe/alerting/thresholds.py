"""Compares each rule with its threshold on the live view. Shares are compared as exact counts, and fire only beyond chance."""

from __future__ import annotations

import statistics
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from otel_fe.alerting import rule as rules
from otel_fe.alerting.evaluation import Evaluation
from otel_fe.formatting import percent, size
from otel_fe.live.results import ratio
from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.confidence import exceeds
from otel_fe.units import MB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_fe.alerting.rule import Rule
    from otel_fe.live.results import SystemResources
    from otel_fe.live.view import ExtractionGroup, LiveView, LiveWindow

_P95: Final = Fraction(95, 100)
_BASELINE_S: Final = 3600.0
_FEWEST_MINUTES: Final = 10
"""Minutes with traffic that the hour before must have for a drop to be measured by it."""


def measure(rule: Rule, view: LiveView, held: Mapping[str, float]) -> list[Evaluation]:
    """Return a rule's readings for every group that has any.

    Args:
        rule: One that is about extractions.
        view: What they did.
        held: For alerts that are pending or firing, the rate that they were measured by when that began, by key.
    """
    if rule.subject == rules.THROUGHPUT:
        return [found for group in view.groups() if (found := _throughput(rule, view, group, held)) is not None]
    of: Callable[[Rule, ExtractionGroup, LiveWindow], Evaluation | None] | None = _OF_WINDOW.get(rule.subject)
    if of is None:
        return []
    windows = view.windows(rule.window_s)
    return [found for group, window in windows.items() if (found := of(rule, group, window)) is not None]


def measure_machine(rule: Rule, resources: SystemResources) -> list[Evaluation]:
    """Return the reading of a rule that is about the container or machine; none where that is unknown."""
    percent = {
        rules.CPU: resources.cpu_percent,
        rules.MEMORY: resources.memory_percent,
        rules.GPU: resources.gpu_percent,
    }.get(rule.subject)
    if percent is None:
        return []
    words = {rules.CPU: _of_cpu, rules.MEMORY: _of_memory}.get(rule.subject)
    return [
        Evaluation(
            rule, percent, rule.reached(percent), rule.over(percent), words="" if words is None else words(resources)
        )
    ]


def _of_cpu(resources: SystemResources) -> str:
    if resources.cpu_limit_cores is None:
        return "measured on all cores of the machine"
    words = f"measured against the container's CPU quota of {_counted(resources.cpu_limit_cores, 'core')}"
    if resources.cpu_throttled_percent:
        words += f", which throttled it for {resources.cpu_throttled_percent:.3g} % of the time of one core"
    return words


def _of_memory(resources: SystemResources) -> str:
    if resources.memory_limit_mb is None:
        return "measured against the machine's memory"
    words = f"measured against the container's limit of {size(resources.memory_limit_mb * MB)}, at which the kernel kills a process"
    if resources.oom_kills:
        words += f"; it has done so {_counted(resources.oom_kills, 'time')}"
    return words


def _counted(number: float, unit: str) -> str:
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _latency(rule: Rule, group: ExtractionGroup, window: LiveWindow) -> Evaluation:
    tally = window.tally
    found = tally.quantile_s(0.95)
    p95 = 0.0 if found is None else found.value * 1e3
    limit_ns = round(rule.threshold * 1e6)
    words = f"{tally.count} extractions"
    holds, bad = rule.reached(p95), None
    if limit_ns in tally.limits_ns:
        bad = slow = tally.reached[tally.limits_ns.index(limit_ns)]
        counts = EventCounts(slow, tally.count)
        holds = exceeds(counts, 1 - _P95)
        words = f"{slow} of {words} took {rule.threshold:g} ms or more"
        # The figure is the page's; where it is on the other side of a threshold inside its bucket, the counts decide.
        if found is not None and counts.exceed(1 - _P95) != rule.reached(p95):
            words += f"; the percentile is estimated, between {found.low * 1e3:.4g} and {found.high * 1e3:.4g} ms"
    return _judged(rule, group, p95, tally.count, words, holds=holds, bad=bad)


def _errors(rule: Rule, group: ExtractionGroup, window: LiveWindow) -> Evaluation:
    tally = window.tally
    holds = exceeds(EventCounts(tally.errors, tally.count), Fraction(rule.threshold).limit_denominator(10**6))
    words = f"{tally.errors} of {tally.count} extractions failed"
    return _judged(rule, group, ratio(tally.errors, tally.count), tally.count, words, holds=holds, bad=tally.errors)


def _cache(rule: Rule, group: ExtractionGroup, window: LiveWindow) -> Evaluation | None:
    tally = window.tally
    if not tally.looked_up:
        return None
    missed = tally.looked_up - tally.all_hit
    holds = exceeds(EventCounts(missed, tally.looked_up), 1 - Fraction(rule.threshold).limit_denominator(10**6))
    words = f"{missed} of {tally.looked_up} extractions that looked up missed"
    return _judged(rule, group, tally.all_hit / tally.looked_up, tally.looked_up, words, holds=holds, bad=missed)


def _pool_wait(rule: Rule, group: ExtractionGroup, window: LiveWindow) -> Evaluation | None:
    tally = window.tally
    if not tally.waited:
        return None
    mean_ms = tally.pool_wait_ns / tally.waited / 1e6
    share = ratio(tally.pool_wait_ns, tally.duration.total)
    words = f"{tally.waited} extractions waited for connections, {percent(share)} of the time of all"
    return _judged(rule, group, mean_ms, tally.waited, words, holds=rule.reached(mean_ms))


def _operation_memory(rule: Rule, group: ExtractionGroup, window: LiveWindow) -> Evaluation:
    most_mb = window.tally.memory_most / 1e6
    words = f"the largest of {window.tally.count} extractions"
    return _judged(rule, group, most_mb, window.tally.count, words, holds=rule.reached(most_mb))


def _throughput(rule: Rule, view: LiveView, group: ExtractionGroup, held: Mapping[str, float]) -> Evaluation | None:
    """Return the rate now, as a share of that of the hour before; as soon as it has dropped, of the hour before it did."""
    window = view.window(group, rule.window_s)
    key = Evaluation(rule, 0.0, holds=False, over=False, group=group).key
    usual = held.get(key)
    if usual is None:
        usual = _usual_rate(view, group, rule.window_s)
    if usual is None or usual * window.seconds < rule.min_samples:
        return None
    share = window.rate / usual
    words = f"{window.rate:.3g} a second; {usual:.3g} in the hour before"
    return Evaluation(
        rule, window.rate, rule.reached(share), rule.over(share), window.tally.count, group,
        threshold=rule.threshold * usual, words=words,
    )  # fmt: skip


def usual_of(reading: Evaluation) -> float:
    """Return the rate that a reading of throughput was measured by."""
    return (reading.threshold or 0.0) / reading.rule.threshold


def _usual_rate(view: LiveView, group: ExtractionGroup, recent_s: float) -> float | None:
    """Return the median rate of the minutes of the last hour but for the last ones; None where there are too few."""
    minutes = view.slices(group, _BASELINE_S, before_s=recent_s)
    if len(minutes) < _FEWEST_MINUTES:
        return None
    # The first minute is cut off by the group's first extraction.
    return statistics.median(one.tally.count / ((one.end_ns - one.start_ns) / 1e9) for one in minutes[1:])


def _judged(
    rule: Rule, group: ExtractionGroup, value: float, samples: int, words: str, *, holds: bool, bad: int | None = None
) -> Evaluation:
    enough = samples >= rule.min_samples
    return Evaluation(
        rule,
        value,
        enough and holds,
        enough and not holds and rule.over(value),
        samples,
        group,
        words=words,
        bad=bad,
        known=enough,
    )


_OF_WINDOW: Final[Mapping[str, Callable[[Rule, ExtractionGroup, LiveWindow], Evaluation | None]]] = {
    rules.LATENCY_P95: _latency,
    rules.ERROR_RATE: _errors,
    rules.CACHE_HIT_RATE: _cache,
    rules.POOL_WAIT: _pool_wait,
    rules.OPERATION_MEMORY: _operation_memory,
}
