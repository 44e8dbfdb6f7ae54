"""The page of resources: CPU, memory, caches, pools, the percentile without each cause, and what-if answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.dashboard.advice import causes_of, slow_advice
from otel_fe.dashboard.series_over_time import step_of
from otel_fe.dashboard.what_if import what_if
from otel_fe.store.series_keys import Which

if TYPE_CHECKING:
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress

_HISTOGRAMS: Final = (
    (semconv.CPU_TIME_METRIC, "CPU time per extraction", "s"),
    (semconv.MEMORY_GROWTH_METRIC, "Memory growth per extraction", "By"),
    (semconv.POOL_WAIT_METRIC, "Wait for connections, where a pool was asked", "s"),
)
_CONNECTIONS: Final = (
    (semconv.CONNECTION_COUNT, "connections"),
    (semconv.CONNECTION_MAX, "most connections"),
    (semconv.CONNECTION_PENDING, "callers waiting"),
)


def resource_view(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    window = address.window(stored.now_ns())
    service, feature_set = address.service or None, address.feature_set or None
    causes = causes_of(stored, window, service, feature_set)
    return {
        "window": window,
        "step_ns": step_of(window),
        "usage": [_usage(stored, window, address, *one) for one in _HISTOGRAMS],
        "lookups": _lookups(stored, window, service, feature_set),
        "pools": _pools(stored, window, service),
        "causes": causes,
        "recommendations": slow_advice(causes),
        "what_if": what_if(stored, address, window),
    }


def _usage(
    stored: PageContext, window: tuple[int, int], address: ViewAddress, metric: str, title: str, unit: str
) -> dict[str, Any]:
    service, feature_set = address.service or None, address.feature_set or None
    spread = stored.reader.sums.distribution(metric, *window, service, feature_set)
    labels: dict[str, Any] = {} if feature_set is None else {semconv.FEATURE_SET: feature_set}
    steps = stored.reader.series.histogram_by_step(Which(metric, service, labels), *window, step_of(window))
    return {
        "metric": metric,
        "title": title,
        "unit": unit,
        "count": spread.count,
        "mean": spread.total / spread.count if spread.count else None,
        "p95": spread.quantile(0.95),
        "points": [(time, one.total / one.count) for time, one in steps if one.count],
    }


def _lookups(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None
) -> dict[str, float]:
    labels: dict[str, Any] = {} if feature_set is None else {semconv.FEATURE_SET.replace(".", "__"): feature_set}
    return {
        result: stored.reader.sums.count(semconv.CACHE_LOOKUPS_METRIC, *window, service, result=result, **labels)
        for result in ("hit", "miss")
    }


def _pools(stored: PageContext, window: tuple[int, int], service: str | None) -> list[dict[str, Any]]:
    """Return the figures that pools reported, the last and the largest in the window."""
    found: list[dict[str, Any]] = []
    for metric, meaning in _CONNECTIONS:
        for key in stored.reader.series.keys(metric):
            if service not in (None, key.service):
                continue
            shown = stored.reader.series.gauge_by_step(
                Which(metric, key.service, key.labels), *window, window[1] - window[0]
            )
            if shown:
                state = str(key.labels.get(semconv.STATE, ""))
                found.append(
                    {
                        "pool": str(key.labels.get(semconv.POOL, "")),
                        "service": key.service,
                        "what": f"{state} {meaning}".strip(),
                        "last": shown[-1].last,
                        "most": max(one.most for one in shown),
                    }
                )
    return sorted(found, key=lambda one: (one["service"], one["pool"], one["what"]))
