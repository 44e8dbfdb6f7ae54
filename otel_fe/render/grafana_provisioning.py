"""The provisioning files of a new Grafana: data sources of metrics and traces, and the folder of dashboards."""

from __future__ import annotations

from typing import Any

from otel_fe.render.grafana_panels import JAEGER, PROMETHEUS, TEMPO
from otel_fe.render.yaml_file import write_yaml


def datasources_yaml(comments: tuple[str, ...]) -> str:
    """Return the data sources; an exemplar's `trace_id` opens its trace in Jaeger."""
    opens = [{"name": "trace_id", "datasourceUid": JAEGER}]
    sources: list[dict[str, Any]] = [
        _source(
            "Prometheus", "prometheus", PROMETHEUS, "http://prometheus:9090", {"exemplarTraceIdDestinations": opens}
        ),
        _source("Jaeger", "jaeger", JAEGER, "http://jaeger:16686", {}),
        _source("Tempo", "tempo", TEMPO, "http://tempo:3200", {}),
    ]
    sources[0]["isDefault"] = True
    return write_yaml({"apiVersion": 1, "datasources": sources}, comments)


def dashboards_yaml(comments: tuple[str, ...]) -> str:
    """Return where the dashboards are read from."""
    provider: dict[str, Any] = {
        "name": "otel_fe",
        "folder": "Feature extraction",
        "type": "file",
        "options": {"path": "/var/lib/grafana/dashboards"},
    }
    return write_yaml({"apiVersion": 1, "providers": [provider]}, comments)


def _source(name: str, kind: str, uid: str, url: str, data: dict[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = {"name": name, "type": kind, "uid": uid, "access": "proxy", "url": url}
    return {**source, "jsonData": data} if data else source
