"""Parts that both tiers of Collectors have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.render import collector_places as places
from otel_fe.render.collector_places import setting

if TYPE_CHECKING:
    from collections.abc import Mapping

DISK: Final = "file_storage"
"""The extension that queues survive a restart by."""


def receivers() -> dict[str, Any]:
    """Return the receiver, which listens to all since it is behind a Service or in a compose network."""
    protocols = {
        "grpc": {"endpoint": setting("GRPC_ENDPOINT", f"0.0.0.0:{places.GRPC}")},
        "http": {"endpoint": setting("HTTP_ENDPOINT", f"0.0.0.0:{places.HTTP}")},
    }
    return {"otlp": {"protocols": protocols}}


def extensions() -> dict[str, Any]:
    """Return the health check, and the folder of the queues."""
    return {
        "health_check": {"endpoint": setting("HEALTH_ENDPOINT", f"0.0.0.0:{places.HEALTH}")},
        DISK: {
            "directory": setting("QUEUE_FOLDER", places.QUEUE_FOLDER),
            "create_directory": True,
            "compaction": {
                "directory": setting("QUEUE_FOLDER", places.QUEUE_FOLDER),
                "on_start": True,
                "on_rebound": True,
            },
        },
    }


def remote_write(*, makes_series: bool) -> dict[str, Any]:
    """Return the exporter of metrics.

    Its queue is short: metrics are cumulative, so that the newest say it all, and what is queued is tried before a process ends.
    It sends one after the other, so that the newest is last.

    Args:
        makes_series: Whether this Collector counts by itself, as others do beside it: `collector` distinguishes them. What
            only passes through is already distinct, and comes through another Collector the next time.
    """
    told_apart = {"external_labels": {"collector": "${env:HOSTNAME:-collector}"}} if makes_series else {}
    return {
        "endpoint": places.REMOTE_WRITE,
        "tls": {"insecure": True},
        "translation_strategy": "UnderscoreEscapingWithSuffixes",
        **told_apart,
        "target_info": {"enabled": False},
        "remote_write_queue": {"queue_size": 100, "num_consumers": 1},
        "max_batch_request_parallelism": 5,
        "retry_on_failure": {"max_elapsed_time": "1m"},
    }


def service(pipelines: Mapping[str, Any]) -> dict[str, Any]:
    """Return what runs, with the Collector's own metrics where Prometheus scrapes them."""
    address = {"host": setting("OWN_METRICS_HOST", "0.0.0.0"), "port": setting("OWN_METRICS_PORT", places.OWN_METRICS)}  # noqa: S104 scraped from elsewhere
    reader = {"pull": {"exporter": {"prometheus": address}}}
    return {
        "extensions": ["health_check", DISK],
        "telemetry": {"metrics": {"level": "normal", "readers": [reader]}},
        "pipelines": dict(pipelines),
    }
