"""The names and ports that the tiers of a fleet share, and the environment variables that change them."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "otel-fe"
"""Namespace of everything in Kubernetes."""
AGENT: Final = "agent"
SAMPLER: Final = "sampler"
SAMPLERS: Final = 2
"""In the files as they are rendered; see README.md for more."""
GRPC: Final = 4317
HTTP: Final = 4318
OWN_METRICS: Final = 8888
HEALTH: Final = 13133
QUEUE_FOLDER: Final = "/var/lib/otelcol/queue"


def setting(name: str, default: object) -> str:
    """Return a reference that the Collector replaces by the environment variable `OTEL_FE_…`, or else by a default."""
    return f"${{env:OTEL_FE_{name}:-{default}}}"


TRACES: Final = setting("TRACES_ENDPOINT", f"jaeger:{GRPC}")
"""The destination of kept traces, OTLP over gRPC."""
REMOTE_WRITE: Final = setting("REMOTE_WRITE_ENDPOINT", "http://prometheus:9090/api/v1/write")
"""The destination of metrics."""
