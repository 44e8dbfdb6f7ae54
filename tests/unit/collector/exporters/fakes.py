"""A scripted transport, a list of what was settled, and requests to send."""

from __future__ import annotations

import threading

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.collector.exporters.outcome import Delivered
from otel_fe.collector.exporters.payload import Payload


class Scripted:
    """A transport that answers from a list, then with `Delivered`; `gate` holds every answer back."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.sent: list[bytes] = []
        self.gate = threading.Event()
        self.gate.set()
        self.started = self.closed = False
        self.lock = threading.Lock()

    def start(self):
        self.started = True

    def send(self, signal, data):
        with self.lock:
            self.sent.append(data)
            outcome = self.outcomes.pop(0) if self.outcomes else Delivered()
        self.gate.wait(20)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self):
        self.closed = True


class Ledger:
    """Settled payloads: (payload, reason), in order."""

    def __init__(self):
        self.entries: list[tuple[Payload, str]] = []
        self.lock = threading.Lock()

    def __call__(self, payload, reason):
        with self.lock:
            self.entries.append((payload, reason))

    @property
    def items(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for payload, reason in list(self.entries):
            found[reason] = found.get(reason, 0) + payload.items
        return found

    @property
    def tallies(self) -> list[tuple[object, str]]:
        return [(payload.tally, reason) for payload, reason in self.entries]


def traces(spans: int = 1, first: int = 0, scopes: int = 1, tally: object = None) -> Payload:
    """Return a payload of numbered spans, spread over scopes of one resource."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add(schema_url="https://schema/resource")
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    for number in range(spans):
        if number % max(1, -(-spans // scopes)) == 0:
            scope = resource.scope_spans.add(schema_url="https://schema/scope")
            scope.scope.name = f"scope-{len(resource.scope_spans)}"
        scope.spans.add(
            name=f"span-{first + number}", trace_id=(first + number + 1).to_bytes(16, "big"), span_id=b"\1" * 8
        )
    return Payload("traces", request.SerializeToString(), spans, tally)


def span_names(*requests: bytes) -> list[str]:
    return [
        span.name
        for data in requests
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def metrics() -> Payload:
    """Return a payload of five points: three in a sum, none in a gauge, two in a histogram."""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    total = scope.metrics.add(name="sum", unit="1")
    total.sum.aggregation_temporality = 2
    total.sum.is_monotonic = True
    for number in range(3):
        total.sum.data_points.add(as_int=number)
    scope.metrics.add(name="empty").gauge.SetInParent()
    histogram = scope.metrics.add(name="histogram", unit="s")
    histogram.histogram.aggregation_temporality = 1
    for number in range(2):
        histogram.histogram.data_points.add(count=number)
    return Payload("metrics", request.SerializeToString(), 5)


def logs(records: int = 2) -> Payload:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number in range(records):
        record = scope.log_records.add(event_name=f"event-{number}")
        record.body.string_value = "a secret body"
        record.attributes.add(key="user").value.string_value = "a secret value"
    return Payload("logs", request.SerializeToString(), records)
