"""The second tier: counts every span, then decides which traces to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.render import collector_places as places
from otel_fe.render.collector_extractions import extraction_metrics
from otel_fe.render.collector_parts import DISK, extensions, receivers, remote_write, service
from otel_fe.render.yaml_file import write_yaml

if TYPE_CHECKING:
    from otel_fe.render.fleet import Fleet

GATES: Final = (
    "--feature-gates=processor.tailsamplingprocessor.usetracestate,processor.tailsamplingprocessor.recordpolicy"
)
"""Arguments of a sampler: kept traces carry their weight in `tracestate`, and the policy that kept them on their scope."""
KEPT: Final = "kept"
"""Suffix of the namespace of the metrics of kept traces: their exemplars are of traces that the backend has."""
_EXTRACTIONS: Final = "signal_to_metrics"
_COUNTED: Final = "span_metrics"
_COUNTED_KEPT: Final = f"{_COUNTED}/{KEPT}"
_ONE_BY_ONE: Final = "batch"
"""Hands on one batch at a time: of deltas that are made side by side, `_SUMMED` drops whichever is older than one it has seen."""
_SUMMED: Final = "delta_to_cumulative"
_BACKEND: Final = "otlp_grpc/traces"
_METRICS: Final = "prometheus_remote_write"


def sampler_yaml(fleet: Fleet, comments: tuple[str, ...]) -> str:
    """Return a sampler's configuration, which it is started with beside `GATES`.

    It has no memory limiter: that would refuse spans after they have been counted, and they would be sent again. What bounds it is
    `num_traces`, past which senders wait.
    """
    kept = [_COUNTED_KEPT] if fleet.counting.exemplars.enabled else []
    pipelines = {
        "traces/count": {"receivers": ["otlp"], "processors": [_ONE_BY_ONE], "exporters": [_COUNTED, _EXTRACTIONS]},
        "traces/sample": {
            "receivers": ["otlp"],
            "processors": ["tail_sampling"],
            "exporters": [_BACKEND, *kept],
        },
        "metrics/spans": {"receivers": [_COUNTED, *kept], "exporters": [_METRICS]},
        "metrics/extractions": {
            "receivers": [_EXTRACTIONS],
            "processors": [_SUMMED],
            "exporters": [_METRICS],
        },
    }
    settings: dict[str, Any] = {
        "receivers": receivers(),
        "processors": {
            "tail_sampling": dict(fleet.tail_sampling),
            _ONE_BY_ONE: {"timeout": "1s", "send_batch_size": 50_000},
            _SUMMED: {"max_stale": "1h"},
        },
        "connectors": _connectors(fleet),
        "exporters": {_BACKEND: _backend(), _METRICS: remote_write(makes_series=True)},
        "extensions": extensions(),
        "service": service(pipelines),
    }
    return write_yaml(settings, comments)


def kept_namespace(namespace: str) -> str:
    """Return the namespace of the metrics of kept traces, beside that of all."""
    return f"{namespace}.{KEPT}" if namespace else KEPT


def _connectors(fleet: Fleet) -> dict[str, Any]:
    """Return the connectors; exemplars are only taken of kept traces, since the others cannot be looked at."""
    plain = {key: value for key, value in fleet.span_metrics.items() if key != "exemplars"}
    connectors: dict[str, Any] = {_COUNTED: plain}
    if fleet.counting.exemplars.enabled:
        # A `$` is doubled, as in all else that comes from the policy.
        namespace = kept_namespace(fleet.counting.namespace).replace("$", "$$")
        connectors[_COUNTED_KEPT] = {**dict(fleet.span_metrics), "namespace": namespace}
    connectors[_EXTRACTIONS] = {"error_mode": "ignore", "spans": extraction_metrics()}
    return connectors


def _backend() -> dict[str, Any]:
    """Return the exporter of kept traces: its queue is on disk, and it never gives up."""
    return {
        "endpoint": places.TRACES,
        "tls": {"insecure": True},
        "sending_queue": {
            "queue_size": 50_000,
            "block_on_overflow": True,
            "storage": DISK,
            "batch": {"flush_timeout": "1s", "min_size": 2_000, "max_size": 8_000},
        },
        "retry_on_failure": {"initial_interval": "1s", "max_interval": "10s", "max_elapsed_time": "0s"},
    }
