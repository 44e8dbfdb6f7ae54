"""Renders every file of `collector_config/` from one policy, except the two that are written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.alerting.origin import Origin
from otel_fe.render import alertmanager_templates, prometheus_server
from otel_fe.render.backends import jaeger_yaml, tempo_yaml
from otel_fe.render.collector_agent import agent_yaml
from otel_fe.render.collector_builder import builder_yaml
from otel_fe.render.collector_sampler import GATES, sampler_yaml
from otel_fe.render.compose import compose_yaml
from otel_fe.render.grafana import dashboards
from otel_fe.render.grafana_provisioning import dashboards_yaml, datasources_yaml
from otel_fe.render.kubernetes import kubernetes_files
from otel_fe.render.prometheus import FILE, prometheus_rules

if TYPE_CHECKING:
    from otel_fe.render.fleet import Fleet

_HEAD: Final = "Written by `otel-fe render collector`; change the policy, not this file."


def collector_files(fleet: Fleet, origin: Origin | None = None) -> dict[str, str]:
    """Return the text of every file by its path in the folder; the same fleet gives the same bytes."""
    rules = (FILE, prometheus_server.LOSSES)
    sampler = sampler_yaml(fleet, (*_head("The second tier: counts every span, then decides."), "Start it with", GATES))
    by_name = agent_yaml(_head("As agent.yaml, with the samplers that a headless Service names."), dns=True)
    return {
        "builder.yaml": builder_yaml(_head("The Collector's manifest: `builder --config builder.yaml`.")),
        "agent.yaml": agent_yaml(_head("The first tier: brings all spans of a trace to one sampler.")),
        "sampler.yaml": sampler,
        f"prometheus/{FILE}": prometheus_rules(fleet.slos, Origin() if origin is None else origin),
        f"prometheus/{prometheus_server.LOSSES}": prometheus_server.loss_rules(_head("Alerts on the fleet's losses.")),
        "prometheus/prometheus.yaml": prometheus_server.prometheus_yaml(_head("Prometheus."), rules),
        "alertmanager.yaml": prometheus_server.alertmanager_yaml(_head("Alertmanager; give your receivers' URLs.")),
        alertmanager_templates.FILE: alertmanager_templates.templates(),
        "alertmanager_receivers.yaml": prometheus_server.receivers_yaml(
            _head("Alertmanager with Slack, PagerDuty and e-mail: keep what you have, in place of alertmanager.yaml.")
        ),
        "jaeger.yaml": jaeger_yaml(_head("Jaeger v2.")),
        "tempo.yaml": tempo_yaml(_head("Tempo, instead of Jaeger.")),
        "grafana/provisioning/datasources/otel_fe.yaml": datasources_yaml(_head("Grafana's data sources.")),
        "grafana/provisioning/dashboards/otel_fe.yaml": dashboards_yaml(_head("Grafana's dashboards.")),
        **dashboards(fleet, Origin() if origin is None else origin),
        "compose.yaml": compose_yaml(_head("The fleet on one machine: `docker compose up`.")),
        **kubernetes_files(by_name, sampler, _head("`kubectl apply -f kubernetes/`.")),
    }


def _head(what: str) -> tuple[str, ...]:
    return (what, _HEAD)
