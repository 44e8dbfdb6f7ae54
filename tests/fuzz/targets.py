"""The targets of mutated inputs, each with its invariants. The only error that may come out is `WireError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.config.ottl import parse_condition
from otel_fe.config.policies import (
    Allocation,
    And,
    BytesLimiting,
    Composite,
    Drop,
    Latency,
    Not,
    NumericAttribute,
    OttlCondition,
    Probabilistic,
    RateLimiting,
    SpanCount,
    StatusCode,
    StringAttribute,
    TailSampling,
)
from otel_fe.model.decision import Decision
from otel_fe.pipeline.compiled_sampler import tail_sampler
from otel_fe.pipeline.tail_sampler import TailSampler
from otel_fe.testing import FakeClock
from otel_fe.wire.decode import Decoder
from otel_fe.wire.encode import encode
from otel_fe.wire.json import from_protobuf, to_protobuf
from otel_fe.wire.span import WireSpan
from otel_fe.wire.validation import check
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.model.span import SpanView

_DECISION = Decision(sampled=True, reason="policy", threshold=1 << 55)
_decoder = Decoder()
_clock = FakeClock()
_CONDITIONS = (
    'attributes["a"] > 0.4 and (attributes["http.route"] == "GET" or not IsMatch(name, "^GET"))',
    'attributes["error.type"] < "y" and resource.attributes["a"] != nil and kind.string != "Client"',
    'end_time - start_time > Duration("1h") and IsRootSpan() and attributes["db.system"]["x"] == 1',
)
_SETTINGS = TailSampling(
    (
        *(SpanCount(f"exactly {count}", count, count) for count in range(30, 88)),  # the others' bits are in two words
        StatusCode("errors", frozenset({2})),
        And("and", (StringAttribute("text", "k", ("v.*",), enabled_regex_matching=True), SpanCount("count", 2, 9))),
        NumericAttribute("number", "n", -5, 5, invert_match=True),
        StringAttribute("route", "http.route", ("GET", "POST")),
        OttlCondition("condition", tuple(parse_condition(text, "span") for text in _CONDITIONS), (), "propagate"),
        Latency("slow", 99),
        Probabilistic("share", 0.2),
    ),
    decision_wait_ns=2_000_000_000,
    num_traces=50,
)
_LIMITED = TailSampling(
    (
        RateLimiting("rate", 20, 40),
        And("and", (StatusCode("errors", frozenset({2})), BytesLimiting("bytes", 500, 900))),
        Composite("shares", 8, (Allocation(Probabilistic("share", 0.5), 5), Allocation(SpanCount("count", 2, 9), 3))),
        Drop("spared", (SpanCount("count", 3), Not("more", BytesLimiting("bytes", 2_000, 4_000)))),
        Composite(
            "nested",
            9,
            (
                Allocation(And("and", (Latency("slow", 9), Not("over", RateLimiting("rate", 1, 3)))), 4),
                Allocation(RateLimiting("rate", 2, 5), 5),
            ),
        ),
    ),
    decision_wait_ns=2_000_000_000,
    num_traces=50,
)


def protobuf(payload: bytes) -> bool:
    """Decode, ask everything, encode, decode again; return whether it was accepted."""
    _check(payload)
    try:
        batch = _decoder.decode(payload)
    except WireError as error:
        _must_be_refused(payload, error)
        return False
    _decide_twice(payload)
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


def _decide_twice(payload: bytes) -> None:
    """Let both samplers have it, a second after the one before; they must keep the same and account for the same."""
    _clock.advance(1.0)
    for samplers in (_samplers, _limited):
        _decide_with(samplers, payload)


def _decide_with(samplers: Sequence[tuple[TailSampler, list[bytes]]], payload: bytes) -> None:
    outcomes = []
    for sampler, kept in samplers:
        sampler.receive_all(_decoder.decode(payload).traces, _clock.monotonic_ns())
        sampler.tick()
        counters = {name: value for name, value in vars(sampler.counters).items() if name != "lock"}
        outcomes.append((sorted(kept), counters, sampler.pending))
        kept.clear()
    assert all(outcome == outcomes[0] for outcome in outcomes), "the samplers differ"


def _sampler(make: Callable[..., TailSampler], settings: TailSampling) -> tuple[TailSampler, list[bytes]]:
    kept: list[bytes] = []

    def deliver(_trace_id: int, spans: Sequence[SpanView], _decision: Decision) -> str:
        kept.extend(span.raw for span in spans)  # type: ignore[attr-defined]
        return ""

    return make(settings, _clock, deliver), kept


def _check(payload: bytes) -> None:
    """Validate it as a receiver does; what is left must be a request to protobuf, and all of it valid."""
    try:
        checked = check("traces", payload, identified=True)
    except WireError:
        return
    ExportTraceServiceRequest.FromString(checked.payload)
    assert check("traces", checked.payload, identified=True).rejected == {}
    assert _decoder.decode(checked.payload).accepted == checked.items


def _both(settings: TailSampling) -> list[tuple[TailSampler, list[bytes]]]:
    """Return the plain sampler, and the one that a collector uses."""
    return [_sampler(TailSampler, settings), _sampler(lambda *arguments: tail_sampler(WireSpan, *arguments), settings)]


_samplers = _both(_SETTINGS)
_limited = _both(_LIMITED)


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


def _must_be_refused(payload: bytes, error: WireError) -> None:
    """Check that protobuf refuses it, too; except for fields numbered 0: Python's overlooks them in unknown groups, Go's does not."""
    if "a field without a number" in str(error):
        return
    try:
        ExportTraceServiceRequest.FromString(payload)
    except DecodeError:
        return
    raise AssertionError("protobuf accepts it")
