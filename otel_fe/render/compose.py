"""A compose file with the whole fleet on one machine, to try it."""

from __future__ import annotations

from typing import Any, Final

from otel_fe.render import collector_places as places
from otel_fe.render.collector_builder import VERSION
from otel_fe.render.collector_sampler import GATES
from otel_fe.render.yaml_file import write_yaml

COLLECTOR: Final = f"otel/opentelemetry-collector-contrib:{VERSION}"
"""The image with every contributed component; one made of builder.yaml is a tenth of its size."""
_ETC: Final = "/etc/otelcol/config.yaml"
_IMAGES: Final = {
    "jaeger": "jaegertracing/jaeger:2.13.0",
    "tempo": "grafana/tempo:2.9.0",
    "prometheus": "prom/prometheus:v3.5.0",
    "alertmanager": "prom/alertmanager:v0.28.1",
    "grafana": "grafana/grafana:12.2.0",
}


def compose_yaml(comments: tuple[str, ...]) -> str:
    """Return the compose file; only what one looks at or sends to is reachable from outside, on loopback."""
    samplers = [f"{places.SAMPLER}-{number}" for number in range(1, places.SAMPLERS + 1)]
    services: dict[str, Any] = {
        places.AGENT: {
            **_collector(places.AGENT, places.AGENT, ()),
            "ports": [_port(places.GRPC), _port(places.HTTP)],
            "depends_on": samplers,
        },
        **{name: {**_collector(name, places.SAMPLER, (GATES,)), "depends_on": ["jaeger"]} for name in samplers},
        **_backends(),
    }
    volumes: dict[str, Any] = {f"{name}-queue": {} for name in (places.AGENT, *samplers)} | {
        "prometheus": {},
        "tempo": {},
    }
    return write_yaml({"name": places.NAMESPACE, "services": services, "volumes": volumes}, comments)


def _port(port: int) -> str:
    return f"127.0.0.1:{port}:{port}"


def _collector(name: str, file: str, options: tuple[str, ...]) -> dict[str, Any]:
    return {
        "image": f"${{OTEL_FE_COLLECTOR_IMAGE:-{COLLECTOR}}}",
        "hostname": name,
        "command": [f"--config={_ETC}", *options],
        "user": "0:0",  # the queue's volume belongs to root
        "volumes": [f"./{file}.yaml:{_ETC}:ro", f"{name}-queue:{places.QUEUE_FOLDER}"],
        "restart": "unless-stopped",
        # To decide and send what is pending; ten seconds otherwise.
        "stop_grace_period": "1m",
    }


def _backends() -> dict[str, Any]:
    return {
        "jaeger": {
            "image": _IMAGES["jaeger"],
            "command": ["--config=/etc/jaeger/config.yaml"],
            "volumes": ["./jaeger.yaml:/etc/jaeger/config.yaml:ro"],
            "ports": [_port(16686)],
        },
        "tempo": {
            "image": _IMAGES["tempo"],
            "profiles": ["tempo"],
            "command": ["-config.file=/etc/tempo.yaml"],
            "volumes": ["./tempo.yaml:/etc/tempo.yaml:ro", "tempo:/var/tempo"],
        },
        "prometheus": {
            "image": _IMAGES["prometheus"],
            "command": [
                "--config.file=/etc/prometheus/prometheus.yaml",
                "--storage.tsdb.path=/prometheus",
                # Longer than the longest window of an SLO.
                "--storage.tsdb.retention.time=45d",
                "--web.enable-remote-write-receiver",
                "--enable-feature=exemplar-storage",
            ],
            "volumes": ["./prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
            "ports": [_port(9090)],
        },
        "alertmanager": {
            "image": _IMAGES["alertmanager"],
            "command": ["--config.file=/etc/alertmanager/alertmanager.yaml"],
            "volumes": [f"./{name}:/etc/alertmanager/{name}:ro" for name in ("alertmanager.yaml", "alertmanager.tmpl")],
        },
        "grafana": {
            "image": _IMAGES["grafana"],
            "environment": {"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer"},
            "volumes": [
                "./grafana/provisioning:/etc/grafana/provisioning:ro",
                "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
            ],
            "ports": [_port(3000)],
        },
    }
