"""Grafana's dashboards: one of the extractions, and one for each SLO. JSON of schema version 39."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.model.slo import show_number
from otel_fe.model.time_windows import Calendar, show_span
from otel_fe.render import grafana_panels as panels
from otel_fe.render.grafana_extractions import extraction_panels, page_link
from otel_fe.render.grafana_panels import FILTER, Query
from otel_fe.render.prometheus_names import label_name, metric_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.alerting.origin import Origin
    from otel_fe.model.slo import Slo
    from otel_fe.render.fleet import Fleet

FOLDER: Final = "grafana/dashboards"
"""Folder of the dashboards."""
EXTRACTIONS: Final = "otel-fe-extractions"
"""The `uid` of the dashboard about extractions: pages link to it."""
_OTHERS: Final = (
    {
        "title": "otel_fe",
        "type": "dashboards",
        "tags": ["otel_fe"],
        "asDropdown": True,
        "keepTime": True,
        "includeVars": True,
    },
)
_SET: Final = label_name(semconv.FEATURE_SET)
_SCHEMA: Final = 39


def dashboards(fleet: Fleet, origin: Origin) -> dict[str, str]:
    """Return the text of every dashboard by its file's name.

    Args:
        fleet: What it counts.
        origin: Where links to otel_fe's own pages lead.
    """
    found = {
        f"{FOLDER}/extractions.json": _dashboard(
            EXTRACTIONS, "Feature extractions", extraction_panels(fleet, origin), page_link(origin)
        )
    }
    for slo in fleet.slos:
        name = f"SLO: {slo.title or slo.name}"
        found[f"{FOLDER}/slo-{slo.name}.json"] = _dashboard(f"otel-fe-slo-{slo.name}", name, _slo(slo))
    return found


def _dashboard(uid: str, title: str, rows: list[dict[str, Any]], links: Sequence[dict[str, Any]] = ()) -> str:
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
        "links": [*links, *_OTHERS],
        "panels": panels.placed(rows),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


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
