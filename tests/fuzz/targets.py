"""What is fed with mutated inputs, and what must hold whatever they are. The only error that may come out is `WireError`."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.collector.wire.decode import Decoder
from otel_fe.collector.wire.encode import encode
from otel_fe.collector.wire.json import from_protobuf, to_protobuf
from otel_fe.collector.wire.validation import check
from otel_fe.collector.wire.wire_error import WireError
from otel_fe.model.decision import Decision

_DECISION = Decision(sampled=True, reason="policy", threshold=1 << 55)
_decoder = Decoder()


def protobuf(payload: bytes) -> bool:
    """Decode, ask everything, encode, decode again; return whether it was accepted."""
    _check(payload)
    try:
        batch = _decoder.decode(payload)
    except WireError:
        _must_be_refused(payload)
        return False
    traces = list(batch.traces)  # the batch lets go of them when it is released
    asked = [_ask(span) for trace in traces for span in trace.spans]
    batch.release()
    assert asked == [_ask(span) for trace in traces for span in trace.spans], "other answers once released"
    kept = [(trace.spans, _DECISION) for trace in traces]
    sent = 0
    for request, spans in encode(kept, maximum_bytes=1_000, record_policy=True):
        again = _decoder.decode(request)
        assert again.rejected == 0
        assert sum(len(trace.spans) for trace in again.traces) == spans
        sent += spans
    assert sent == len(asked)
    return True


def _check(payload: bytes) -> None:
    """Validate it as a receiver does; what is left must be a request to protobuf, and all of it valid."""
    try:
        checked = check("traces", payload, identified=True)
    except WireError:
        return
    ExportTraceServiceRequest.FromString(checked.payload)
    assert check("traces", checked.payload, identified=True).rejected == {}
    assert _decoder.decode(checked.payload).accepted == checked.items


def json(payload: bytes) -> bool:
    """Convert, decode, convert back; return whether it was accepted."""
    try:
        converted = to_protobuf("traces", payload)
    except WireError:
        return False
    _decoder.decode(converted)
    assert to_protobuf("traces", from_protobuf("traces", converted)) == converted
    return True


def _ask(span):
    attributes = span.attributes
    return (
        span.trace_id,
        span.span_id,
        span.status,
        span.resource.attributes == {},
        span.scope.name,
        repr([attributes.get(key) for key in ("error.type", "a", "absent")]),
        repr(dict(attributes.items())),
        repr(span.events),
    )


def _must_be_refused(payload: bytes) -> None:
    """What protobuf takes, we take; but for groups in places where nobody looks, and numbers of nothing."""
    try:
        ExportTraceServiceRequest.FromString(payload)
    except DecodeError:
        return
    raise AssertionError("protobuf accepts it")
