"""The corpus's spans as OTLP, and what leaves as OTLP as an outcome."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from tests.corpus.outcome import KeptSpan, Outcome, outcome, with_first_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    from otel_fe.model.span import Attributes, Span, Value

INSTANCE_ID = "collector.instance.id"
_EMPTY_PARENT = 2
"""Tag and length."""
_TEMPORALITY = {1: "delta", 2: "cumulative"}


def encode(spans: Sequence[Span]) -> bytes:
    """Return an export request; consecutive spans of the same resource and scope object share theirs."""
    request = ExportTraceServiceRequest()
    for _, of_resource in groupby(spans, key=lambda span: id(span.resource)):
        in_resource = list(of_resource)
        resource_spans = request.resource_spans.add()
        # As senders do; the original counts these bytes whether they were sent or not.
        resource_spans.resource.SetInParent()
        resource_spans.resource.attributes.extend(_key_values(in_resource[0].resource.attributes))
        for _, of_scope in groupby(in_resource, key=lambda span: id(span.scope)):
            in_scope = list(of_scope)
            scope, scope_spans = in_scope[0].scope, resource_spans.scope_spans.add()
            scope_spans.scope.SetInParent()
            scope_spans.scope.name, scope_spans.scope.version = scope.name, scope.version
            scope_spans.scope.attributes.extend(_key_values(scope.attributes))
            scope_spans.spans.extend(map(_message, in_scope))
    return request.SerializeToString()


def size_in_collector(spans: Sequence[Span]) -> int:
    """Return what the original takes for the bytes of a trace: it encodes an empty parent id, which no sender writes."""
    return len(encode(spans)) + _EMPTY_PARENT * sum(not span.parent_id for span in spans)


def resource_spans_size(spans: Sequence[Span]) -> int:
    """Return the same without the tag and the length of the one resource's message, as the bound on a trace counts."""
    (resource_spans,) = ExportTraceServiceRequest.FromString(encode(spans)).resource_spans
    return resource_spans.ByteSize() + _EMPTY_PARENT * sum(not span.parent_id for span in spans)


def _message(span: Span) -> SpanMessage:
    message = SpanMessage(
        trace_id=span.trace_id.to_bytes(16, "big"),
        span_id=span.span_id.to_bytes(8, "big"),
        parent_span_id=span.parent_id.to_bytes(8, "big") if span.parent_id else b"",
        trace_state=span.trace_state,
        flags=span.flags,
        name=span.name,
        kind=span.kind,
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_key_values(span.attributes),
    )
    message.status.SetInParent()
    message.status.code, message.status.message = span.status, span.status_message
    for event in span.events:
        message.events.add(name=event.name, time_unix_nano=event.time_ns, attributes=_key_values(event.attributes))
    return message


def _key_values(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _any_value(value: Value) -> AnyValue:
    """Return a value as OTLP has it. A bool is an int in Python, so it comes first."""
    found = AnyValue()
    if isinstance(value, bool):
        found.bool_value = value
    elif isinstance(value, str):
        found.string_value = value
    elif isinstance(value, int):
        found.int_value = value
    elif isinstance(value, float):
        found.double_value = value
    elif isinstance(value, bytes):
        found.bytes_value = value
    elif isinstance(value, dict):
        found.kvlist_value.SetInParent()
        found.kvlist_value.values.extend(_key_values(value))
    elif value is not None:
        found.array_value.SetInParent()
        found.array_value.values.extend(_any_value(item) for item in value)  # type: ignore[union-attr]
    return found


def decode(
    traces: Iterable[ExportTraceServiceRequest] = (),
    metrics: Iterable[ExportMetricsServiceRequest] = (),
    *,
    delta: bool = True,
) -> Outcome:
    """Return what was exported as an outcome: of delta metrics all points, of cumulative ones the last and how they began."""
    flushes = [list(_points(request)) for request in metrics]
    points = [point for flush in flushes for point in flush] if delta else with_first_values(flushes)
    return outcome((span for request in traces for span in _kept(request)), points)


def _kept(request: ExportTraceServiceRequest) -> Iterator[KeptSpan]:
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            written = attributes_json(scope_spans.scope.attributes)
            for span in scope_spans.spans:
                yield KeptSpan(
                    int.from_bytes(span.trace_id, "big"),
                    int.from_bytes(span.span_id, "big"),
                    span.trace_state,
                    written.get("tailsampling.policy", ""),
                    written.get("tailsampling.composite_policy", ""),
                )


def _points(request: ExportMetricsServiceRequest) -> Iterator[dict[str, Any]]:
    for resource_metrics in request.resource_metrics:
        resource = attributes_json(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                for point in _points_of(metric):
                    yield {"name": metric.name, "resource": resource, "unit": metric.unit, **point}


def _points_of(metric: Metric) -> Iterator[dict[str, Any]]:
    data = getattr(metric, metric.WhichOneof("data"))
    for point in data.data_points:
        found = {
            "attributes": attributes_json(point.attributes),
            "temporality": _TEMPORALITY[data.aggregation_temporality],
        }
        if metric.WhichOneof("data") == "sum":
            yield {**found, "value": point.as_int}
            continue
        found.update(count=point.count, sum=point.sum)
        if metric.WhichOneof("data") == "histogram":
            yield {**found, "bounds": list(point.explicit_bounds), "buckets": list(point.bucket_counts)}
        else:
            found.update(scale=point.scale, zero_count=point.zero_count, min=point.min, max=point.max)
            yield {**found, "offset": point.positive.offset, "buckets": list(point.positive.bucket_counts)}


def attributes_json(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as JSON has them; the id of the Collector's process is another one each time."""
    found = {pair.key: _json(pair.value) for pair in attributes}
    if INSTANCE_ID in found:
        found[INSTANCE_ID] = "INSTANCE"
    return found


def _json(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "bytes_value":
        return {"bytes": value.bytes_value.hex()}
    if kind == "array_value":
        return [_json(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {"map": {pair.key: _json(pair.value) for pair in value.kvlist_value.values}}
    return getattr(value, kind)
