"""Grafana's dashboards: one of the extractions, and one for each SLO. JSON of schema version 39."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.model.slo import show_number
from otel_fe.model.time_windows import Calendar, show_span
from otel_fe.render import grafana_panels as panels
from otel_fe.render.collector_sampler import kept_namespace
from otel_fe.render.grafana_panels import FILTER, Query
from otel_fe.render.prometheus_names import escaped, label_name, metric_name

if TYPE_CHECKING:
    from otel_fe.model.slo import Slo
    from otel_fe.render.fleet import Fleet

FOLDER: Final = "grafana/dashboards"
"""Their folder."""
_SET: Final = label_name(semconv.FEATURE_SET)
_SCHEMA: Final = 39
_QUANTILES: Final = (0.5, 0.95, 0.99)


def dashboards(fleet: Fleet) -> dict[str, str]:
    """Return the text of every dashboard by its file's name."""
    found = {
        f"{FOLDER}/extractions.json": _dashboard("otel-fe-extractions", "Feature extractions", _extractions(fleet))
    }
    for slo in fleet.slos:
        name = f"SLO: {slo.title or slo.name}"
        found[f"{FOLDER}/slo-{slo.name}.json"] = _dashboard(f"otel-fe-slo-{slo.name}", name, _slo(slo))
    return found


def _dashboard(uid: str, title: str, rows: list[dict[str, Any]]) -> str:
    variables = [
        panels.variable("job", "Service", f"label_values({metric_name(semconv.SLO_EVENTS)}, job)"),
        panels.variable("set", "Feature set", f"label_values({metric_name(semconv.SLO_EVENTS)}, {_SET})"),
    ]
    document = {
        "uid": uid[:40],  # the longest that Grafana takes
        "title": title,
        "tags": ["otel_fe"],
        "timezone": "browser",
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables},
        "annotations": {"list": []},
        "panels": panels.placed(rows),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rate(name: str, more: str = "") -> str:
    return f"rate({name}{{{FILTER}{more}}}[$__rate_interval])"


def _extractions(fleet: Fleet) -> list[dict[str, Any]]:
    duration = metric_name(semconv.DURATION)
    quantiles = [
        Query(f"histogram_quantile({q}, sum by (le) ({_rate(f'{duration}_bucket')}))", f"p{q * 100:g}")
        for q in _QUANTILES
    ]
    lookups, errors = metric_name(semconv.CACHE_LOOKUPS_METRIC), f"{duration}_count"
    hits, failed = _rate(lookups, f', {semconv.RESULT}="hit"'), _rate(errors, f', {label_name(semconv.ERROR_TYPE)}!=""')
    hit_ratio = f"sum({hits}) / sum({_rate(lookups)})"
    error_ratio = f"sum({failed}) / sum({_rate(errors)})"
    rows = [
        panels.time_series("Duration (every extraction)", "s", quantiles),
        panels.time_series(
            "Extractions a second", "ops", [Query(f"sum by ({_SET}) ({_rate(errors)})", f"{{{{{_SET}}}}}")]
        ),
        panels.time_series("Cache hits", "percentunit", [Query(hit_ratio, "hits")]),
        panels.time_series("Errors", "percentunit", [Query(error_ratio, "errors")]),
        panels.time_series(
            "CPU time a second", "s", [Query(f"sum({_rate(f'{metric_name(semconv.CPU_TIME_METRIC)}_sum')})", "CPU")]
        ),
        panels.time_series(
            "Waiting for pools, a second",
            "s",
            [Query(f"sum({_rate(f'{metric_name(semconv.POOL_WAIT_METRIC)}_sum')})", "wait")],
        ),
    ]
    counting = fleet.counting
    return [_kept(fleet), *rows] if counting.exemplars.enabled and counting.histogram is not None else rows


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


def _slo(slo: Slo) -> list[dict[str, Any]]:
    own = f'slo="{slo.name}", {FILTER}'
    alerts = [
        panels.time_series(
            f"Bad share in {show_span(alert.long_ns)} ({alert.severity})",
            "percentunit",
            [
                Query(
                    f"otel_fe:slo_bad_events:increase{show_span(alert.long_ns)}{{{own}}} / "
                    f"otel_fe:slo_events:increase{show_span(alert.long_ns)}{{{own}}}",
                    f"{{{{{_SET}}}}}",
                ),
                Query(f"vector({float(alert.share)!r})", "alert"),
            ],
            f"Fires at {slo.describe(alert)}.",
        )
        for alert in slo.alerts
    ]
    objective = f"{show_number(slo.objective * 100)} %"
    if isinstance(slo.window, Calendar):
        return alerts
    window = show_span(slo.window.length_ns)
    left = Query(f"otel_fe:slo_error_budget_remaining:ratio{window}{{{own}}}", f"{{{{{_SET}}}}}")
    events = [
        Query(f"sum(otel_fe:slo_{kind}events:increase{window}{{{own}}})", name)
        for kind, name in (("", "all"), ("bad_", "bad"))
    ]
    return [
        panels.stat(f"Error budget left of {window} (objective {objective})", "percentunit", left),
        panels.time_series(f"Events in {window}", "short", events, slo.description),
        *alerts,
    ]
