"""The first tier: receives spans from applications, and routes all spans of a trace to one sampler."""

from __future__ import annotations

from typing import Any

from otel_fe.render import collector_places as places
from otel_fe.render.collector_parts import DISK, extensions, receivers, remote_write, service
from otel_fe.render.collector_places import setting
from otel_fe.render.yaml_file import write_yaml


def agent_yaml(comments: tuple[str, ...], *, dns: bool = False) -> str:
    """Return an agent's configuration; with `dns`, the samplers are whatever a name resolves to."""
    return write_yaml(
        {
            "receivers": receivers(),
            "processors": {"memory_limiter": _MEMORY},
            "exporters": {
                "load_balancing": _load_balancing(dns=dns),
                "prometheus_remote_write": remote_write(makes_series=False),
                # Alerts leave the applications as log events.
                "debug": {"verbosity": "normal"},
            },
            "extensions": extensions(),
            "service": service(
                {
                    "traces": _pipeline("load_balancing"),
                    "metrics": _pipeline("prometheus_remote_write"),
                    "logs": _pipeline("debug"),
                }
            ),
        },
        comments,
    )


_MEMORY = {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 20}


def _pipeline(exporter: str) -> dict[str, Any]:
    return {"receivers": ["otlp"], "processors": ["memory_limiter"], "exporters": [exporter]}


def _load_balancing(*, dns: bool) -> dict[str, Any]:
    """Return the exporter.

    The queue on disk is the outer one, whose requests can go to other samplers. Each request is retried at its samplers first: if
    the outer queue retries, samplers that already have their part get it again. Only the outer retry finds another sampler for
    requests to one that has left; so it comes soon where samplers are found by DNS, and only there.
    (`timeout: 0s` would not be "never" here but the default, 5 s.)
    """
    names = [f"{places.SAMPLER}-{number}:{places.GRPC}" for number in range(1, places.SAMPLERS + 1)]
    static: dict[str, Any] = {"static": {"hostnames": setting("SAMPLERS", f"[{', '.join(names)}]")}}
    host = f"{places.SAMPLER}.{places.NAMESPACE}.svc.cluster.local"
    return {
        "routing_key": "traceID",
        "resolver": {"dns": {"hostname": host, "port": str(places.GRPC), "interval": "5s"}} if dns else static,
        "protocol": {
            "otlp": {
                "tls": {"insecure": True},
                "timeout": "60s",
                "sending_queue": {"enabled": False},
                "retry_on_failure": {"initial_interval": "500ms", "max_interval": "5s", "max_elapsed_time": "0s"},
            }
        },
        "timeout": "30s" if dns else "24h",
        "sending_queue": {
            "enabled": True,
            "num_consumers": 20,
            "queue_size": 50_000,
            "block_on_overflow": True,
            "storage": DISK,
        },
        "retry_on_failure": {"enabled": True, "initial_interval": "1s", "max_elapsed_time": "0s"},
    }
