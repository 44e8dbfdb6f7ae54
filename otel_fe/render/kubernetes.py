"""Kubernetes: agents behind a Service, samplers that a headless Service names, each with a volume for its queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from otel_fe.render import collector_places as places
from otel_fe.render.collector_sampler import GATES
from otel_fe.render.compose import COLLECTOR
from otel_fe.render.yaml_file import Folded, write_documents

_ETC: Final = "/etc/otelcol"
_USER: Final = 10001
"""Not root; the queue's volume is given to this group."""
_PORTS: Final = {"otlp-grpc": places.GRPC, "otlp-http": places.HTTP, "metrics": places.OWN_METRICS}


@dataclass(frozen=True, slots=True)
class _Tier:
    name: str
    replicas: int
    headless: bool
    requests: dict[str, str]
    memory: str
    """Also what the runtime keeps below, by GOMEMLIMIT, four fifths of it."""
    go_memory: str
    disk: str
    grace_s: int
    """Long enough to decide and send what is pending."""
    options: tuple[str, ...] = ()
    """Of the command line, beside the configuration."""


_AGENT: Final = _Tier(places.AGENT, 2, False, {"cpu": "1", "memory": "1Gi"}, "1Gi", "820MiB", "10Gi", 60)
_SAMPLER: Final = _Tier(
    places.SAMPLER, places.SAMPLERS, True, {"cpu": "2", "memory": "4Gi"}, "4Gi", "3276MiB", "20Gi", 120, (GATES,)
)


def kubernetes_files(agent: str, sampler: str, comments: tuple[str, ...]) -> dict[str, str]:
    """Return the files; `agent` and `sampler` are the tiers' configurations."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": places.NAMESPACE}}
    return {
        "kubernetes/namespace.yaml": write_documents([namespace], comments),
        "kubernetes/agent.yaml": write_documents(_objects(_AGENT, agent), comments),
        "kubernetes/sampler.yaml": write_documents(_objects(_SAMPLER, sampler), comments),
    }


def _objects(tier: _Tier, config: str) -> list[dict[str, Any]]:
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(tier), "data": {"config.yaml": Folded(config)}},
        _service(tier),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": _metadata(tier),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _labels(tier)}},
        },
        _stateful_set(tier),
    ]


def _labels(tier: _Tier) -> dict[str, str]:
    return {"app.kubernetes.io/name": f"otel-fe-{tier.name}"}


def _metadata(tier: _Tier) -> dict[str, Any]:
    return {"name": tier.name, "namespace": places.NAMESPACE, "labels": _labels(tier)}


def _service(tier: _Tier) -> dict[str, Any]:
    ports = [{"name": name, "port": port, "targetPort": port} for name, port in _PORTS.items()]
    # A pod that is ready is given traces, and no other.
    headless = {"clusterIP": "None"} if tier.headless else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(tier),
        "spec": {**headless, "selector": _labels(tier), "ports": ports},
    }


def _stateful_set(tier: _Tier) -> dict[str, Any]:
    claim = {
        "metadata": {"name": "queue"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": tier.disk}}},
    }
    pod = {
        "terminationGracePeriodSeconds": tier.grace_s,
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER},
        "containers": [_container(tier)],
        "volumes": [{"name": "config", "configMap": {"name": tier.name}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(tier),
        "spec": {
            "serviceName": tier.name,
            "replicas": tier.replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": _labels(tier)},
            "template": {"metadata": {"labels": _labels(tier)}, "spec": pod},
            "volumeClaimTemplates": [claim],
        },
    }


def _container(tier: _Tier) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/", "port": places.HEALTH}}
    return {
        "name": "otelcol",
        "image": COLLECTOR,
        "args": [f"--config={_ETC}/config.yaml", *tier.options],
        "env": [
            {"name": "GOMEMLIMIT", "value": tier.go_memory},
            {"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "ports": [{"name": name, "containerPort": port} for name, port in _PORTS.items()],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": tier.requests, "limits": {"memory": tier.memory}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "config", "mountPath": _ETC, "readOnly": True},
            {"name": "queue", "mountPath": places.QUEUE_FOLDER},
        ],
    }
