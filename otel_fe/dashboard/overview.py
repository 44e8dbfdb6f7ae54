"""The first page: present figures, trends, problems, and the first action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.dashboard.advice import causes_of, recommendations
from otel_fe.dashboard.alert_list import alerts_of
from otel_fe.dashboard.changes import changes_of
from otel_fe.dashboard.figures import figures, figures_of, seconds_counted
from otel_fe.dashboard.finer_steps import finer_steps
from otel_fe.dashboard.health import WEIGHTS, health
from otel_fe.dashboard.series_over_time import over_time
from otel_fe.dashboard.shown_incidents import incidents_of
from otel_fe.dashboard.sorting import headings, sorted_rows
from otel_fe.dashboard.why_slow import why_slow
from otel_fe.store.distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress

_Counted = tuple[dict[str, tuple[int, int]], Distribution]
"""Good events and all by requirement, and durations."""

COLUMNS: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "service": lambda row: row["service"],
    "feature_set": lambda row: row["feature_set"],
    "extractions": lambda row: row["figures"].extractions,
    "p95": lambda row: row["figures"].p95_ns,
    "slow": lambda row: row["figures"].slow_ratio,
    "hits": lambda row: row["figures"].hit_ratio,
    "errors": lambda row: row["figures"].error_ratio,
}
"""The columns by which the table of feature sets can be sorted."""


def overview(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    now = stored.now_ns()
    window = address.window(now)
    service, feature_set = address.service or None, address.feature_set or None
    by_group = _by_group(stored, window, service, feature_set)
    counts, spread = _together(by_group.values())
    length = window[1] - window[0]
    groups = groups_of(by_group, {name: seconds_counted(stored, window, name) for name, _ in by_group})
    why, reasons = why_slow(stored, window, groups, relative=address.relative)
    axis = address.axis(window)
    finer = finer_steps(stored, axis, service, feature_set)
    before, _ = figures_of(stored, (window[0] - length, window[0]), service, feature_set)
    causes = causes_of(stored, window, service, feature_set)
    alerts = alerts_of(stored, service, feature_set)
    # Alerts that fire now say nothing about a past window.
    firing = (one.severity for one in alerts if address.relative and one.silence is None)
    score = health(counts, firing)
    return {
        "window": window,
        "changes": changes_of(stored, window, service, feature_set),
        "gap": stored.gap("metrics"),
        "figures": figures(counts, spread, seconds_counted(stored, window, service)),
        "before": before,
        "health": score,
        "over_time": over_time(stored, window, service, feature_set),
        "axis": window if finer is None else axis,
        "finer": finer,
        "why": why,
        "alerts": alerts,
        "incidents": incidents_of(alerts, reasons),
        "causes": causes,
        "recommendations": recommendations(stored, window, (service, feature_set), score, causes),
        "groups": sorted_rows(groups, COLUMNS, address.sort),
        "headings": headings(address, "/", COLUMNS, "groups"),
    }


def _by_group(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None
) -> dict[tuple[str, str], _Counted]:
    """Return what was counted of each service and feature set, in one go: all of it together is what was counted of all."""
    sums = stored.reader.sums
    spreads = sums.distributions(semconv.DURATION, *window, service, feature_set)
    counts = {name: sums.good_and_totals(name, *window, service, feature_set) for name in WEIGHTS}
    groups = sorted({*spreads, *(group for of_slo in counts.values() for group in of_slo)})
    return {
        group: ({name: counts[name].get(group, (0, 0)) for name in WEIGHTS}, spreads.get(group, Distribution()))
        for group in groups
    }


def _together(parts: Iterable[_Counted]) -> _Counted:
    together: dict[str, tuple[int, int]] = dict.fromkeys(WEIGHTS, (0, 0))
    spread = Distribution()
    for counts, one in parts:
        spread.merge(one)
        for name, (good, total) in counts.items():
            together[name] = (together[name][0] + good, together[name][1] + total)
    return together, spread


def groups_of(by_group: Mapping[tuple[str, str], _Counted], seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return every service and feature set with its figures, the one with most slow extractions first.

    Args:
        by_group: What was counted.
        seconds: By service, for how long.
    """
    found: list[dict[str, Any]] = [
        {"service": service, "feature_set": feature_set, "figures": shown}
        for (service, feature_set), (counts, spread) in by_group.items()
        if (shown := figures(counts, spread, seconds[service])).extractions
    ]
    found.sort(key=lambda one: (-one["figures"].slow, one["service"], one["feature_set"]))
    return found


def groups_in(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None
) -> list[dict[str, Any]]:
    """Return every service and feature set of a window with its figures, the one with most slow extractions first."""
    by_group = _by_group(stored, window, service, feature_set)
    return groups_of(by_group, {name: seconds_counted(stored, window, name) for name, _ in by_group})
