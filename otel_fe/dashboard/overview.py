"""The first page: how extractions do now, where that is going, what is wrong, and what to do first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.alerting.advice import first_action
from otel_fe.alerting.alert import AlertType
from otel_fe.dashboard.alert_list import alerts_of
from otel_fe.dashboard.comparison import NAMES
from otel_fe.dashboard.health import WEIGHTS, health
from otel_fe.dashboard.series_over_time import over_time
from otel_fe.pipeline.causes import rank
from otel_fe.pipeline.slo import LATENCY_LIMIT_NS
from otel_fe.store import Selection

if TYPE_CHECKING:
    from otel_fe.dashboard.stored import Stored
    from otel_fe.dashboard.view_address import ViewAddress
    from otel_fe.pipeline.causes import Causes

_LIMIT_S: Final = LATENCY_LIMIT_NS / 1e9
_SAMPLE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What a group did in a window: exact counts; percentiles right to a bucket's width, exact at 100 ms."""

    extractions: int
    per_s: float
    p50_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    mean_ns: float | None
    slow: int
    """That took 100 ms or more."""
    slow_ratio: float | None
    error_ratio: float | None
    hit_ratio: float | None


def counts_of(
    stored: Stored, window: tuple[int, int], service: str | None, feature_set: str | None
) -> dict[str, tuple[int, int]]:
    """Return good events and all, by requirement."""
    sums = stored.reader.sums
    return {name: sums.good_and_total(name, *window, service, feature_set) for name in WEIGHTS}


def figures_of(
    stored: Stored, window: tuple[int, int], service: str | None, feature_set: str | None
) -> tuple[Figures, dict[str, tuple[int, int]]]:
    """Return what a group did, and its counts by requirement."""
    counts = counts_of(stored, window, service, feature_set)
    spread = stored.reader.sums.distribution(semconv.DURATION, *window, service, feature_set)
    good, total = counts["latency"]
    seconds = max(1.0, (window[1] - max(window[0], stored.reader.sums.first_ns() or window[0])) / 1e9)
    quantiles = [None if (value := spread.quantile(share)) is None else value * 1e9 for share in (0.5, 0.95, 0.99)]
    slow = total - good
    p95 = quantiles[1]
    if p95 is not None and total:
        # The estimate may err by a bucket's width; the counts do not.
        p95 = max(p95, _LIMIT_S * 1e9) if slow * 20 > total else min(p95, _LIMIT_S * 1e9 - 1)
    error_good, error_total = counts["error_rate"]
    hits, looked_up = counts["cache_hit_rate"]
    return Figures(
        total,
        total / seconds,
        quantiles[0],
        p95,
        quantiles[2],
        spread.total / spread.count * 1e9 if spread.count else None,
        slow,
        slow / total if total else None,
        1 - error_good / error_total if error_total else None,
        hits / looked_up if looked_up else None,
    ), counts


def overview(stored: Stored, address: ViewAddress) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    now = stored.now_ns()
    window = address.window(now)
    service, feature_set = address.service or None, address.feature_set or None
    figures, counts = figures_of(stored, window, service, feature_set)
    length = window[1] - window[0]
    before, _ = figures_of(stored, (window[0] - length, window[0]), service, feature_set)
    causes = causes_of(stored, window, service, feature_set)
    return {
        "window": window,
        "figures": figures,
        "before": before,
        "health": health(counts),
        "over_time": over_time(stored, window, service, feature_set),
        "alerts": alerts_of(stored, service, feature_set),
        "causes": causes,
        "recommendations": recommendations(causes),
        "groups": groups_of(stored, window, address),
    }


def groups_of(stored: Stored, window: tuple[int, int], address: ViewAddress) -> list[dict[str, Any]]:
    """Return every service and feature set with its figures, the one with most slow extractions first."""
    found: list[dict[str, Any]] = []
    for service, feature_set in stored.reader.sums.groups("latency"):
        if address.service not in ("", service) or address.feature_set not in ("", feature_set):
            continue
        figures, _ = figures_of(stored, window, service, feature_set)
        if figures.extractions:
            found.append({"service": service, "feature_set": feature_set, "figures": figures})
    found.sort(key=lambda one: (-one["figures"].slow, one["service"], one["feature_set"]))
    return found


def causes_of(stored: Stored, window: tuple[int, int], service: str | None, feature_set: str | None) -> Causes:
    """Return where the time of slow extractions went; of all, where none is slow. The percentiles are of all."""
    slow = Selection(*window, service, feature_set, min_duration_ns=LATENCY_LIMIT_NS)
    everything = Selection(*window, service, feature_set)
    group = stored.reader.totals.explained(slow, limit=_SAMPLE)
    whole = stored.reader.totals.explained(everything, limit=_SAMPLE) if group else []
    return rank(whole) if not group else _of_slow(rank(group), rank(whole))


def _of_slow(slow: Causes, everything: Causes) -> Causes:
    """Return the causes of the slow ones, each with the percentile that all would have without it."""
    without = {cause.cause: cause.quantile_without_ns for cause in everything.ranked}
    ranked = [replace(one, quantile_without_ns=without.get(one.cause, everything.quantile_ns)) for one in slow.ranked]
    return replace(everything, ranked=tuple(ranked))


def recommendations(causes: Causes) -> list[dict[str, Any]]:
    """Return what to do about the causes that cost most, the most expensive first."""
    return [
        {
            "cause": one.cause,
            "name": NAMES[one.cause],
            "share": one.share,
            "p95_ns": causes.quantile_ns,
            "p95_without_ns": one.quantile_without_ns,
            "action": first_action(AlertType.LATENCY_THRESHOLD, one.cause),
        }
        for one in causes.ranked[:3]
        if one.share >= 0.05  # noqa: PLR2004 less is noise
    ]
