"""Manifests for Kubernetes: agents behind a Service, samplers behind a headless one, each with a volume for its queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from otel_fe.render import collector_places as places
from otel_fe.render.collector_sampler import GATES
from otel_fe.render.compose import COLLECTOR
from otel_fe.render.yaml_file import Folded, write_documents

_ETC: Final = "/etc/otelcol"
_USER: Final = 10001
"""User id, not root; the queue's volume is given to this group."""
_PORTS: Final = {"otlp-grpc": places.GRPC, "otlp-http": places.HTTP, "metrics": places.OWN_METRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tier:
    name: str
    replicas: int
    headless: bool
    """Whether its Service resolves to every pod, rather than to one address in front of them."""
    cpu: str
    """CPU request; there is no limit."""
    memory_mib: int
    """Memory request and limit; the runtime stays below four fifths of it."""
    disk: str
    """Disk for the queue."""
    leaves_s: int
    """Seconds in which a terminating pod still accepts data."""
    grace_s: int
    """Seconds until the pod is killed: enough for that, and to decide and send what is pending."""
    options: tuple[str, ...] = ()
    """Options of the command line, beside the configuration."""


_AGENT: Final = _Tier(
    name=places.AGENT, replicas=2, headless=False, cpu="1", memory_mib=1024, disk="10Gi", leaves_s=5, grace_s=60
)
_SAMPLER: Final = _Tier(
    name=places.SAMPLER,
    replicas=places.SAMPLERS,
    headless=True,
    cpu="2",
    memory_mib=4096,
    disk="20Gi",
    leaves_s=15,  # agents resolve every 5 s, and DNS may be 5 s out of date
    grace_s=120,
    options=(GATES,),
)


def kubernetes_files(agent: str, sampler: str, comments: tuple[str, ...]) -> dict[str, str]:
    """Return the files; `agent` and `sampler` are the tiers' configurations."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": places.NAMESPACE, "labels": labels}}
    return {
        # kubectl applies a folder's files in the order of their names: the namespace has to come first.
        "kubernetes/00-namespace.yaml": write_documents([namespace], comments),
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
    # Its name resolves to the pods that are ready, and no others are given traces.
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
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
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
    memory = f"{tier.memory_mib}Mi"
    return {
        "name": "otelcol",
        "image": COLLECTOR,
        "args": [f"--config={_ETC}/config.yaml", *tier.options],
        "env": [
            {"name": "GOMEMLIMIT", "value": f"{tier.memory_mib * 4 // 5}MiB"},
            {"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "ports": [{"name": name, "containerPort": port} for name, port in _PORTS.items()],
        "lifecycle": {"preStop": {"sleep": {"seconds": tier.leaves_s}}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": {"cpu": tier.cpu, "memory": memory}, "limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": _ETC, "readOnly": True},
            {"name": "queue", "mountPath": places.QUEUE_FOLDER},
        ],
    }
