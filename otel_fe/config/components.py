"""The components of the Collector v0.160 that otel_fe has: their names, what they carry, and the tables of their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import exporters, extensions, processors, receivers
from otel_fe.config.identifiers import SIGNALS
from otel_fe.config.span_metrics_keys import SPAN_METRICS
from otel_fe.config.tail_sampling import TAIL_SAMPLING

if TYPE_CHECKING:
    from otel_fe.config.reading import Section


@dataclass(frozen=True, slots=True)
class ComponentType:
    """A type of component."""

    keys: Section[Any]
    takes: tuple[str, ...] = SIGNALS
    """The signals of pipelines that may name it; for a connector, those whose pipelines it may end."""
    gives: tuple[str, ...] = ()
    """Signals of pipelines that a connector may start."""


_OTLP_GRPC: Final = ComponentType(exporters.OTLP_GRPC)
_OTLP_HTTP: Final = ComponentType(exporters.OTLP_HTTP)
_SPAN_METRICS: Final = ComponentType(SPAN_METRICS, ("traces",), ("metrics",))

COMPONENTS: Final[dict[str, dict[str, ComponentType]]] = {
    "receivers": {"otlp": ComponentType(receivers.OTLP)},
    "processors": {
        "batch": ComponentType(processors.BATCH, ("traces", "metrics", "logs")),
        "memory_limiter": ComponentType(processors.MEMORY_LIMITER),
        "tail_sampling": ComponentType(TAIL_SAMPLING, ("traces",)),
    },
    "connectors": {"span_metrics": _SPAN_METRICS, "spanmetrics": _SPAN_METRICS},
    "exporters": {
        "debug": ComponentType(exporters.DEBUG),
        "nop": ComponentType(exporters.NOP),
        "otlp_grpc": _OTLP_GRPC,
        "otlp_http": _OTLP_HTTP,
        "otlp": _OTLP_GRPC,
        "otlphttp": _OTLP_HTTP,
    },
    "extensions": {
        "bearertokenauth": ComponentType(extensions.BEARER_TOKEN_AUTH),
        "file_storage": ComponentType(extensions.FILE_STORAGE),
        "health_check": ComponentType(extensions.HEALTH_CHECK),
    },
}
"""Keyed by section and type. A former name of a type is listed beside the present one and is read alike."""

_ELSEWHERE: Final = {
    "receivers": (
        "filelog file_log hostmetrics host_metrics jaeger k8s_cluster kafka kubeletstats nop opencensus prometheus "
        "statsd zipkin"
    ),
    "processors": (
        "attributes cumulativetodelta deltatocumulative filter groupbyattrs groupbytrace k8sattributes k8s_attributes "
        "metricstransform probabilistic_sampler redaction resource resourcedetection resource_detection routing span "
        "transform"
    ),
    "connectors": "count exceptions failover forward routing servicegraph service_graph sum",
    "exporters": (
        "awsxray clickhouse datadog elasticsearch file googlecloud kafka loadbalancing load_balancing logging loki "
        "prometheus prometheusremotewrite prometheus_remote_write splunk_hec zipkin"
    ),
    "extensions": "basicauth headers_setter jaegerremotesampling memory_limiter oauth2client oidc opamp pprof sigv4auth zpages",
}


def is_known_elsewhere(section: str, kind: str) -> bool:
    """Return whether a type is a well-known one that only the Collector has, rather than a typing error."""
    return kind in _ELSEWHERE[section].split()
