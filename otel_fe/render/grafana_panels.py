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
JOB_ONLY: Final = 'job=~"$job"'
"""What they select of metrics that have no feature set."""
_SOURCE: Final = {"type": "prometheus", "uid": PROMETHEUS}
_HEIGHT: Final = 8
_WIDTH: Final = 12
_COLUMNS: Final = 24
_SMALL: Final = (4, 4)
_SIZE: Final = "size"
"""Of a panel before it is placed: its width and height, where they are not the usual ones."""


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


def time_series(
    title: str, unit: str, queries: Sequence[Query], description: str = "", links: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return a panel of lines over time; `links` are what a click on a line offers."""
    panel = _panel("timeseries", title, unit, queries, description)
    if links:
        panel["fieldConfig"]["defaults"]["links"] = list(links)
    return panel


def with_line(panel: dict[str, Any], limit: float) -> dict[str, Any]:
    """Return a panel of lines with the line of an objective across."""
    defaults = {
        **panel["fieldConfig"]["defaults"],
        "thresholds": _thresholds(limit, "transparent"),
        "custom": {"thresholdsStyle": {"mode": "line"}},
    }
    return {**panel, "fieldConfig": {**panel["fieldConfig"], "defaults": defaults}}


def stacked(panel: dict[str, Any]) -> dict[str, Any]:
    """Return a panel of stacked areas."""
    custom = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0}
    config: dict[str, Any] = panel["fieldConfig"]
    return {**panel, "fieldConfig": {**config, "defaults": {**config["defaults"], "custom": custom}}}


def figure(title: str, unit: str, query: Query, limit: float | None) -> dict[str, Any]:
    """Return a small panel with one number over the dashboard's whole time, red from a limit on."""
    panel: dict[str, Any] = {**stat(title, unit, query), _SIZE: _SMALL}
    panel["targets"] = [{**panel["targets"][0], "instant": True, "range": False}]
    if limit is not None:
        panel["fieldConfig"]["defaults"]["thresholds"] = _thresholds(limit, "green")
    return panel


def heatmap(title: str, unit: str, query: Query, description: str) -> dict[str, Any]:
    """Return a panel of a histogram's buckets over time."""
    panel = _panel("heatmap", title, unit, [query], description)
    panel["targets"] = [{**panel["targets"][0], "format": "heatmap"}]
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "steps": 64,
            "exponent": 0.5,
            "fill": "dark-orange",
            "reverse": False,
        },
        "yAxis": {"unit": unit, "reverse": False},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"show": True, "yHistogram": False},
        "legend": {"show": True},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
    }
    return {**panel, "options": options}


def table(title: str, unit: str, query: Query, links: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a panel of the newest values with their labels as columns."""
    panel = _panel("table", title, unit, [query], "")
    panel["targets"] = [{**panel["targets"][0], "instant": True, "range": False, "format": "table"}]
    if links:
        # Of a table, a row's labels are its cells.
        url = links[0]["url"].replace("__field.labels.", "__data.fields.")
        panel["fieldConfig"]["defaults"]["links"] = [{**links[0], "url": url}]
    return {**panel, "options": {"showHeader": True, "cellHeight": "sm"}}


def _thresholds(limit: float, below: str) -> dict[str, Any]:
    return {"mode": "absolute", "steps": [{"color": below, "value": None}, {"color": "red", "value": limit}]}


def stat(title: str, unit: str, query: Query) -> dict[str, Any]:
    """Return a panel with the newest values as numbers."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return {**_panel("stat", title, unit, [query], ""), "options": options}


def placed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return panels with ids and places, as many in a row as there is room for."""
    found = []
    x = y = tallest = 0
    for number, panel in enumerate(rows):
        width, height = panel.get(_SIZE, (_WIDTH, _HEIGHT))
        if x + width > _COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": width, "h": height}
        found.append({"id": number + 1, "gridPos": place, **{key: one for key, one in panel.items() if key != _SIZE}})
        x, tallest = x + width, max(tallest, height)
    return found


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
