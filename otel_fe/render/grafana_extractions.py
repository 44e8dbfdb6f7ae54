"""The panels of the dashboard about extractions: exact figures, latency, causes, pools, memory and GPU, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import requirements, semconv
from otel_fe.render import grafana_panels as panels
from otel_fe.render.collector_sampler import kept_namespace
from otel_fe.render.grafana_panels import FILTER, JOB_ONLY, Query
from otel_fe.render.prometheus_names import JOB, escaped, label_name, metric_name

if TYPE_CHECKING:
    from otel_fe.alerting.origin import Origin
    from otel_fe.render.fleet import Fleet

_SET: Final = label_name(semconv.FEATURE_SET)
_DURATION: Final = metric_name(semconv.DURATION)
_EVENTS: Final = metric_name(semconv.SLO_EVENTS)
_TIME: Final = metric_name(semconv.CAUSE_TIME)
_POOL: Final = label_name(semconv.POOL)
_NAME: Final = f"{{{{{_SET}}}}} ({{{{{JOB}}}}})"


def extraction_panels(fleet: Fleet, origin: Origin) -> list[dict[str, Any]]:
    """Return the panels, in their order.

    Args:
        fleet: Whose metrics.
        origin: Where links to otel_fe's own pages lead; none without a page.
    """
    counting = fleet.counting
    kept = [_kept(fleet)] if counting.exemplars.enabled and counting.histogram is not None else []
    return [*_figures(), *_latency(origin), *_causes(origin), *kept, *_resources(), *_alerts()]


def page_link(origin: Origin) -> list[dict[str, Any]]:
    """Return the dashboard's link to otel_fe's own page at the same time; none without a page."""
    if not origin.page:
        return []
    url = f"{origin.page}/?since=${{__from}}&until=${{__to}}"
    return [
        {"title": "otel_fe: why is it slow?", "type": "link", "url": url, "icon": "external link", "targetBlank": True}
    ]


def _rate(name: str, more: str = "") -> str:
    return f"rate({name}{{{FILTER}{more}}}[$__rate_interval])"


def _increase(name: str, more: str = "") -> str:
    return f"increase({name}{{{FILTER}{more}}}[$__range])"


def _bad(slo: str) -> str:
    """Return the share of bad events of a requirement over the whole dashboard: a sum over a sum of exact counts."""
    named = f', {semconv.SLO}="{slo}"'
    bad = f', {semconv.SLO}="{slo}", {semconv.GOOD}="false"'
    return f"sum({_increase(_EVENTS, bad)}) / sum({_increase(_EVENTS, named)})"


def _figures() -> list[dict[str, Any]]:
    p95 = f"histogram_quantile(0.95, sum by (le) ({_increase(f'{_DURATION}_bucket')}))"
    firing = f"sum({metric_name(semconv.ALERT_ACTIVE)}{{{FILTER}}}) or vector(0)"
    found = [
        ("Extractions", "short", f"sum({_increase(f'{_DURATION}_count')})", None),
        ("p95", "s", p95, requirements.LATENCY_LIMIT_S),
        (f"Took {requirements.LATENCY} or more", "percentunit", _bad("latency"), requirements.SLOW_RATIO),
        ("Failed", "percentunit", _bad("error_rate"), requirements.ERROR_RATIO),
        ("Missed the cache", "percentunit", _bad("cache_hit_rate"), round(1 - requirements.HIT_RATIO, 9)),
        ("Alerts", "short", firing, 1.0),
    ]
    return [panels.figure(title, unit, Query(query, title), limit) for title, unit, query, limit in found]


def _latency(origin: Origin) -> list[dict[str, Any]]:
    buckets = f"sum by (le) (increase({_DURATION}_bucket{{{FILTER}}}[$__rate_interval]))"
    by_set = f"histogram_quantile(0.95, sum by (le, {JOB}, {_SET}) ({_rate(f'{_DURATION}_bucket')}))"
    rate = f"sum by ({JOB}, {_SET}) ({_rate(f'{_DURATION}_count')})"
    failed = _rate(f"{_DURATION}_count", f', {label_name(semconv.ERROR_TYPE)}!=""')
    errors = f"sum by ({JOB}, {_SET}) ({failed}) / sum by ({JOB}, {_SET}) ({_rate(f'{_DURATION}_count')})"
    lookups = metric_name(semconv.CACHE_LOOKUPS_METRIC)
    hits = _rate(lookups, f', {semconv.RESULT}="hit"')
    hit_ratio = f"sum by ({JOB}, {_SET}) ({hits}) / sum by ({JOB}, {_SET}) ({_rate(lookups)})"
    links = _links(origin)
    return [
        panels.heatmap(
            "Duration of every extraction", "s", Query(buckets, "{{le}}"), "Exact: counted before sampling."
        ),
        panels.with_line(
            panels.time_series("p95 by feature set, and the objective", "s", [Query(by_set, _NAME)], links=links),
            requirements.LATENCY_LIMIT_S,
        ),
        panels.time_series("Extractions a second", "ops", [Query(rate, _NAME)], links=links),
        panels.with_line(
            panels.time_series("Errors", "percentunit", [Query(errors, _NAME)], links=links), requirements.ERROR_RATIO
        ),
        panels.with_line(
            panels.time_series("Cache hits", "percentunit", [Query(hit_ratio, _NAME)], links=links),
            requirements.HIT_RATIO,
        ),
    ]


def _causes(origin: Origin) -> list[dict[str, Any]]:
    by_cause = f"sum by ({semconv.CAUSE}) ({_rate(_TIME)})"
    most = f"sort_desc(topk(20, sum by ({JOB}, {_SET}, {semconv.CAUSE}) ({_increase(_TIME)})))"
    return [
        panels.stacked(
            panels.time_series(
                "What slow extractions spend their time on",
                "s",
                [Query(by_cause, f"{{{{{semconv.CAUSE}}}}}")],
                "Seconds a second, by cause: exact, from every slow extraction, kept or not.",
            )
        ),
        panels.table("Slow time by feature set and cause", "s", Query(most, ""), _links(origin)),
    ]


def _links(origin: Origin) -> list[dict[str, Any]]:
    """Return what a click on a series opens: otel_fe's page of its feature set at that time."""
    if not origin.page:
        return []
    labels = f"service=${{__field.labels.{JOB}}}&feature_set=${{__field.labels.{_SET}}}"
    url = f"{origin.page}/explore?{labels}&since=${{__from}}&until=${{__to}}"
    return [{"title": "Why? (otel_fe)", "url": url, "targetBlank": True}]


def _kept(fleet: Fleet) -> dict[str, Any]:
    """Return the panel whose dots open a trace each: its exemplars are of kept traces only."""
    base = escaped(f"{kept_namespace(fleet.counting.namespace)}.duration")
    unit = {"s": "seconds", "ms": "milliseconds"}[fleet.counting.unit]
    bucket = f'rate({base}_{unit}_bucket{{job=~"$job"}}[$__rate_interval])'
    query = Query(f"histogram_quantile(0.95, sum by (le) ({bucket}))", "p95 of kept spans", exemplar=True)
    return panels.time_series(
        "Kept traces: click a dot to open one",
        fleet.counting.unit,
        [query],
        "A biased sample on purpose: use it to find traces.",
    )


def _resources() -> list[dict[str, Any]]:
    state = f'{label_name(semconv.STATE)}="{semconv.USED}"'
    used = f"sum by ({JOB}, {_POOL}) ({metric_name(semconv.CONNECTION_COUNT)}{{{JOB_ONLY}, {state}}})"
    most = f"sum by ({JOB}, {_POOL}) ({metric_name(semconv.CONNECTION_MAX)}{{{JOB_ONLY}}})"
    wait = f"sum by ({_SET}) ({_rate(f'{metric_name(semconv.POOL_WAIT_METRIC)}_sum')})"
    cpu = f"sum by ({_SET}) ({_rate(f'{metric_name(semconv.CPU_TIME_METRIC)}_sum')})"
    growth = f"{metric_name(semconv.MEMORY_GROWTH_METRIC)}_bucket"
    grown = f"histogram_quantile(0.99, sum by (le, {_SET}) ({_rate(growth)}))"
    gpu = _rate(_TIME, f', {semconv.CAUSE}="gpu"')
    name = f"{{{{{_SET}}}}}"
    return [
        panels.with_line(
            panels.time_series(
                "Pools: connections in use", "percentunit", [Query(f"{used} / {most}", f"{{{{{_POOL}}}}}")]
            ),
            0.95,
        ),
        panels.time_series("Waiting for pools, a second", "s", [Query(wait, name)]),
        panels.time_series("CPU time a second", "s", [Query(cpu, name)]),
        panels.with_line(
            panels.time_series("Growth of memory: p99 of one extraction", "bytes", [Query(grown, name)]), 1e9
        ),
        panels.time_series(
            "GPU",
            "percentunit",
            [
                Query(f"sum by ({_SET}) ({gpu})", f"slow extractions in GPU calls, {name}"),
                Query("avg by (gpu) (DCGM_FI_DEV_GPU_UTIL) / 100", "utilization of GPU {{gpu}} (DCGM)"),
            ],
            "The second line needs NVIDIA's DCGM exporter.",
        ),
    ]


def _alerts() -> list[dict[str, Any]]:
    own = f"sum by ({semconv.ALERT}, {semconv.SEVERITY}, {_SET}) ({metric_name(semconv.ALERT_ACTIVE)}{{{FILTER}}}) > 0"
    named = f'alertname=~"FeatureExtraction.*", alertstate="firing", {FILTER}'
    of_rules = f"sum by (alertname, severity, {semconv.SLO}, {_SET}) (ALERTS{{{named}}})"
    return [
        panels.time_series(
            "Alerts that fire",
            "short",
            [
                Query(own, f"{{{{{semconv.ALERT}}}}} {{{{{semconv.SEVERITY}}}}} {{{{{_SET}}}}}"),
                Query(of_rules, f"{{{{alertname}}}} {{{{severity}}}} {{{{{semconv.SLO}}}}} {{{{{_SET}}}}}"),
            ],
            "Those of the processes, and those of the rules.",
        )
    ]
