"""Settings of the backends that keep the traces: Jaeger v2, or Tempo."""

from __future__ import annotations

from typing import Any

from otel_fe.render import collector_places as places
from otel_fe.render.collector_places import setting
from otel_fe.render.yaml_file import write_yaml

_MEMORY = "kept"


def jaeger_yaml(comments: tuple[str, ...]) -> str:
    """Return Jaeger's settings: traces in memory, the newest 100 000; change `backends` to keep them."""
    protocols = {
        "grpc": {"endpoint": setting("JAEGER_GRPC_ENDPOINT", f"0.0.0.0:{places.GRPC}")},
        "http": {"endpoint": setting("JAEGER_HTTP_ENDPOINT", f"0.0.0.0:{places.HTTP}")},
    }
    own: dict[str, Any] = {
        "host": setting("JAEGER_OWN_METRICS_HOST", "0.0.0.0"),  # noqa: S104 scraped from elsewhere
        "port": setting("JAEGER_OWN_METRICS_PORT", places.OWN_METRICS),
    }
    settings: dict[str, Any] = {
        "extensions": {
            "jaeger_storage": {"backends": {_MEMORY: {"memory": {"max_traces": 100_000}}}},
            "jaeger_query": {
                "storage": {"traces": _MEMORY},
                "http": {"endpoint": setting("JAEGER_QUERY_HTTP_ENDPOINT", "0.0.0.0:16686")},
                "grpc": {"endpoint": setting("JAEGER_QUERY_GRPC_ENDPOINT", "0.0.0.0:16685")},
            },
        },
        "receivers": {"otlp": {"protocols": protocols}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": _MEMORY}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "telemetry": {"metrics": {"level": "normal", "readers": [{"pull": {"exporter": {"prometheus": own}}}]}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
        },
    }
    return write_yaml(settings, comments)


def tempo_yaml(comments: tuple[str, ...]) -> str:
    """Return Tempo's settings: one process, on its own disk, for 14 days."""
    settings: dict[str, Any] = {
        "server": {"http_listen_port": 3200},
        "distributor": {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"0.0.0.0:{places.GRPC}"}}}}},
        "ingester": {"max_block_duration": "5m"},
        "compactor": {"compaction": {"block_retention": "336h"}},
        "storage": {
            "trace": {
                "backend": "local",
                "local": {"path": "/var/tempo/blocks"},
                "wal": {"path": "/var/tempo/wal"},
            }
        },
    }
    return write_yaml(settings, comments)
