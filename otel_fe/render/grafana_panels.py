"""Panels of Grafana as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.render.prometheus_names import label_name

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMETHEUS: Final = "prometheus"
"""The `uid` of the data source of metrics; provisioning gives it."""
JAEGER: Final = "jaeger"
"""The `uid` of the data source of traces."""
TEMPO: Final = "tempo"
"""The `uid` of the other one."""
FILTER: Final = f'job=~"$job", {label_name(semconv.FEATURE_SET)}=~"$set"'
"""The label matchers of a dashboard's variables."""
_SOURCE: Final = {"type": "prometheus", "uid": PROMETHEUS}
_HEIGHT: Final = 8
_WIDTH: Final = 12
_COLUMNS: Final = 2


@dataclass(frozen=True, slots=True)
class Query:
    """A line in a panel."""

    expression: str
    """PromQL."""
    legend: str
    exemplar: bool = False
    """Ask for exemplars too, which are shown as dots that link to their traces."""


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    """Return a variable with the values of a label, all of them at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def time_series(title: str, unit: str, queries: Sequence[Query], description: str = "") -> dict[str, Any]:
    """Return a panel of lines over time."""
    return _panel("timeseries", title, unit, queries, description)


def stat(title: str, unit: str, query: Query) -> dict[str, Any]:
    """Return a panel with the newest values as numbers."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return {**_panel("stat", title, unit, [query], ""), "options": options}


def placed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return panels with ids and places, two in a row."""
    return [
        {
            "id": number + 1,
            "gridPos": {
                "x": number % _COLUMNS * _WIDTH,
                "y": number // _COLUMNS * _HEIGHT,
                "w": _WIDTH,
                "h": _HEIGHT,
            },
            **panel,
        }
        for number, panel in enumerate(rows)
    ]


def _panel(kind: str, title: str, unit: str, queries: Sequence[Query], description: str) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": _SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
            "exemplar": query.exemplar,
            "range": True,
        }
        for number, query in enumerate(queries)
    ]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": targets,
    }
