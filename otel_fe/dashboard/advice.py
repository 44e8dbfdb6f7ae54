"""Advice on a window: broken requirements first, then the causes of slow extractions, by the one ranking of causes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting, semconv
from otel_fe.alerting.alert import AlertType
from otel_fe.alerting.first_action import first_action
from otel_fe.dashboard.comparison import NAMES
from otel_fe.forecast.prediction import predict
from otel_fe.pipeline.causes import Cause, Causes, rank
from otel_fe.profiles.hotspots import line_by_cause
from otel_fe.profiles.repeated_calls import usual_n_plus_one
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.semconv import CAUSE_CACHE_MISS, CAUSE_DOWNSTREAM
from otel_fe.store import Selection
from otel_fe.store.series_keys import Which

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.dashboard.health import Health
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.forecast.prediction import Prediction
    from otel_fe.profiles.repeated_calls import RepeatedCalls
    from otel_fe.store.trace_totals import SelectionTotals

_SAMPLE: Final = 2_000
_WORTH: Final = 0.05
"""Share of the time below which a cause is noise."""
_MOST: Final = 3
_LINES: Final = 100
"""Slow extractions whose lines are read; more take longer than a page may."""


@dataclass(frozen=True, slots=True)
class WindowCauses:
    """The time of a window's kept extractions by cause."""

    ranked: tuple[Cause, ...]
    """By the time that they cost slow extractions, the largest first; of all extractions, where none is slow."""
    quantile_ns: int
    """p95 of all kept extractions, by weight: an estimate."""
    of_slow: bool
    """Whether shares are of the time of slow extractions; else of all kept ones."""
    estimate: Prediction | None
    """The same percentile with its 95 % interval; None without any."""
    sample: int
    """Kept extractions that percentiles are estimated from."""


def causes_of(
    stored: PageContext,
    window: tuple[int, int],
    service: str | None,
    feature_set: str | None,
    sample_size: int = _SAMPLE,
) -> WindowCauses:
    """Return where the time of slow extractions went; of all, where none is slow. The percentiles are of all.

    Args:
        stored: Where kept traces are.
        window: Unix time in ns, from and until.
        service: Of which; None for all.
        feature_set: Likewise.
        sample_size: Extractions that percentiles, and what misses made them compute, are estimated from.
    """
    everything = Selection(*window, service, feature_set)
    slow = stored.reader.totals.totals(replace(everything, min_duration_ns=LATENCY_LIMIT_NS))
    sample = stored.reader.totals.explained(everything, limit=sample_size)
    hits = [one for one in sample if one.hit]
    of_all = rank(sample, hits=hits)
    ranked = tuple(of_all.ranked)
    if slow.extractions:
        of_slow = rank([one for one in sample if one.duration_ns >= LATENCY_LIMIT_NS], hits=hits)
        ranked = _of_slow(slow, of_slow, of_all)
    durations = [one.duration_ns for one in sample]
    estimate = predict(durations, [one.weight for one in sample], LATENCY_LIMIT_NS) if sample else None
    return WindowCauses(ranked, of_all.quantile_ns, bool(slow.extractions), estimate, len(sample))


def _of_slow(slow: SelectionTotals, sampled: Causes, of_all: Causes) -> tuple[Cause, ...]:
    """Return the causes of all slow ones, each with the percentile that all would have without it.

    Times are of all of them, by weight; what misses made them compute is known of a sample.
    """
    without = {one.cause: one.quantile_without_ns for one in of_all.ranked}
    beyond = {one.cause: one.cost_share - one.share for one in sampled.ranked}
    ranked = []
    for cause, time_ns in slow.split_ns.items():
        if time_ns:
            share = time_ns / slow.duration_ns if slow.duration_ns else 0.0
            cost = min(1.0, share + beyond.get(cause, 0.0))
            ranked.append(Cause(cause, time_ns, share, without.get(cause, of_all.quantile_ns), cost))
    return tuple(sorted(ranked, key=lambda one: -one.cost_share))


def recommendations(
    stored: PageContext,
    window: tuple[int, int],
    group: tuple[str | None, str | None],
    health: Health,
    causes: WindowCauses,
) -> list[dict[str, Any]]:
    """Return what to do, the requirement of the highest weight first, and what breaks none last.

    Errors and misses are advised on where their requirement is broken, causes of slowness where an extraction is slow.
    """
    broken = {part.name: part for part in health.parts if part.met is False}
    slow = slow_advice(causes, slow_sample(stored, window, *group)) if causes.of_slow else []
    found: list[dict[str, Any]] = list(slow) if "latency" in broken else []
    if "error_rate" in broken:
        kind, share = _most_frequent_error(stored, window, *group)
        words = f", {formatting.percent(share)} of them {kind}" if kind else ""
        found.append(_about("errors", "Errors", f"of extractions fail{words}", broken["error_rate"].bad_ratio))
    if "cache_hit_rate" in broken:
        found.append(
            _about("cache_hits", "Cache", "of extractions that look up miss", broken["cache_hit_rate"].bad_ratio)
        )
    return found if "latency" in broken else found + slow


def slow_advice(causes: WindowCauses, sample: SlowFindings | None = None) -> list[dict[str, Any]]:
    """Return what to do about the causes that cost most.

    Args:
        causes: Of the window.
        sample: What the spans of slow extractions say, where they were read.
    """
    whose = "slow" if causes.of_slow else "all kept"
    return [
        {
            "cause": one.cause,
            "name": NAMES[one.cause],
            "share": one.share,
            "words": f"of the time of {whose} extractions"
            + (
                f", {formatting.percent(one.cost_share)} with what it makes them compute"
                if one.cost_share > one.share + 0.01
                else ""
            ),
            "p95_ns": causes.quantile_ns,
            "p95_without_ns": one.quantile_without_ns,
            "action": _action(one.cause, None if sample is None else sample.n_plus_one),
            "line": "" if sample is None else sample.lines.get(one.cause, ""),
        }
        for one in causes.ranked[:_MOST]
        if one.cost_share >= _WORTH
    ]


def _action(cause: str, repeated: RepeatedCalls | None) -> str:
    """Return the first action for a cause of slowness; for an N+1, one call in place of many."""
    if repeated is None or cause != (CAUSE_CACHE_MISS if repeated.call.kind == "cache" else CAUSE_DOWNSTREAM):
        return first_action(AlertType.LATENCY_THRESHOLD, cause)
    once = {"cache": "look all keys up at once (MGET, a pipeline)", "client": "ask for all of them in one call"}
    instead = once.get(repeated.call.kind, "read all rows with one statement (JOIN, IN, or the ORM's eager loading)")
    took = formatting.duration(repeated.total_ns)
    return f"N+1: {repeated.name} follow each other and take {took} of the mean slow extraction; {instead}."


@dataclass(frozen=True, slots=True)
class SlowFindings:
    """Findings in the spans of a window's slow extractions, as far as they were read."""

    lines: Mapping[str, str]
    """Keyed by cause: the line of code that took most of it; only causes that have one."""
    n_plus_one: RepeatedCalls | None
    """The N+1 that most of them have; None where they have none."""


def slow_sample(
    stored: PageContext,
    window: tuple[int, int],
    service: str | None,
    feature_set: str | None,
    most: int = _LINES,
) -> SlowFindings:
    """Return what the spans of about `most` of a window's slow extractions say."""
    selection = Selection(*window, service, feature_set)

    def read() -> SlowFindings:
        sampled = stored.reader.slow_extractions(selection, limit=most).sampled
        return SlowFindings(line_by_cause(sampled), usual_n_plus_one((one.repeated, one.weight) for one in sampled))

    return stored.remembered.get(("slow sample", selection, most), window[1] - window[0], read)


def lines_of_causes(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None
) -> Mapping[str, str]:
    """Return, by cause, the line of code that took most of it, over slow extractions; only causes that have one."""
    return slow_sample(stored, window, service, feature_set).lines


def _about(what: str, name: str, words: str, share: float | None) -> dict[str, Any]:
    kind = AlertType.ERROR_RATE_SPIKE if what == "errors" else AlertType.CACHE_DEGRADATION
    return {
        "cause": what,
        "name": name,
        "share": share,
        "words": words,
        "p95_ns": None,
        "p95_without_ns": None,
        "action": first_action(kind, ""),
        "line": "",
    }


def _most_frequent_error(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None
) -> tuple[str, float]:
    """Return the error type that most failed extractions have, by exact counts, and its share of them."""
    labels = None if feature_set is None else {semconv.FEATURE_SET: feature_set}
    which = Which(semconv.DURATION, service, labels)
    found = stored.reader.series.histograms(which, *window, lambda key: str(key.labels.get(semconv.ERROR_TYPE, "")))
    counts = {kind: spread.count for kind, spread in found.items() if kind and spread.count}
    if not counts:
        return "", 0.0
    kind = max(counts, key=counts.__getitem__)
    return kind, counts[kind] / sum(counts.values())
