"""Extractions as they come off the wire, with all that their attributes may hold, and some that they may not."""

from __future__ import annotations

from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_fe import semconv
from otel_fe.pipeline.extractions import MEASURED
from otel_fe.wire.fields import delimited, varint

UINT64 = (1 << 64) - 1
NAMES = st.sampled_from([semconv.SPAN_NAME, f"{semconv.SPAN_NAME} a", f"{semconv.SPAN_NAME}s", "GET"])
STATES = st.sampled_from(["", "", "", "ot=th:8", "ot=rv:ffffffffffffff", "a=b", "ot=th:zz", "=,="])
TIMES = st.one_of(st.integers(0, UINT64), st.integers(0, 3 * 10**8), st.sampled_from([0, 10**8, 10**18]))

TIMES_TOLD = (semconv.TIME["cpu"], semconv.TIME["gc"], semconv.TIME["unexplained"], "feature_extraction.time.else")
_INTS = st.one_of(st.integers(0, 3), st.integers(-3, 3 * 10**9), st.integers(-(2**63), 2**63 - 1), st.just(2**63 - 1))
_REALS = st.one_of(st.floats(0, 1), st.floats(), st.sampled_from([-0.0, 0.5e-9, 1.5e-9, 1e9, 999_999_999.999_999_9]))
_TEXTS = st.sampled_from(["", "a", "b", "ValueError", "ä", "x" * 130]) | st.text(max_size=4)
_USUAL = st.one_of(
    st.builds(AnyValue, int_value=_INTS),
    st.builds(AnyValue, double_value=_REALS),
    st.builds(AnyValue, string_value=_TEXTS),
    st.builds(AnyValue, bool_value=st.booleans()),
).map(AnyValue.SerializeToString)
_UNUSUAL = st.one_of(
    st.builds(AnyValue, bytes_value=st.binary(max_size=3)).map(AnyValue.SerializeToString),
    st.lists(st.just(AnyValue(string_value="a")), max_size=2).map(
        lambda values: AnyValue(array_value=ArrayValue(values=values)).SerializeToString()
    ),
    st.binary(max_size=4).map(lambda text: delimited(1, text)),  # mostly no UTF-8
    st.binary(max_size=12),
    st.binary(max_size=10).map(lambda number: b"\x18" + number),
    st.sampled_from(
        [
            b"\x18\x83\x00",  # 3, longer than need be
            b"\x18" + b"\xff" * 9 + b"\x01",  # -1
            b"\x18" + b"\xff" * 9 + b"\x02",
            b"\x18\x01\x18\x02",
            b"\x10\x02",
            b"\x0a\x01a\x18\x01",
            b"\x21" + bytes(7),
        ]
    ),
)
ATTRIBUTES = st.lists(
    st.tuples(
        st.sampled_from((*MEASURED, *TIMES_TOLD, "other", "feature_extraction.cache.hitz")), _USUAL | _USUAL | _UNUSUAL
    ),
    max_size=12,
    unique_by=lambda pair: pair[0],
)
"""Each name once, as OTLP demands: `WireAttributes` may answer either of two."""

GROWTHS = st.sampled_from([0, 0, 0, -5, 10**9 - 1, 10**9, 2**62 - 1])
LIKELY = st.builds(
    lambda feature_set, error, lookups, hits, growth, cpu, wait, times: [
        *((semconv.FEATURE_SET, AnyValue(string_value=one)) for one in feature_set),
        *((semconv.ERROR_TYPE, AnyValue(string_value=one)) for one in error),
        (semconv.CACHE_LOOKUPS, AnyValue(int_value=lookups)),
        (semconv.CACHE_HITS, AnyValue(int_value=hits)),
        (semconv.MEMORY_GROWTH, AnyValue(int_value=growth)),
        *((semconv.CPU_TIME, AnyValue(double_value=one)) for one in cpu),
        *((semconv.POOL_WAIT_TIME, AnyValue(double_value=one)) for one in wait),
        *((name, AnyValue(double_value=one)) for name, one in zip(TIMES_TOLD, times, strict=False)),
    ],
    st.sampled_from([(), ("a",), ("b",)]),
    st.sampled_from([(), ("E",)]),
    st.integers(0, 2) | st.just(2**62 - 1),
    st.integers(0, 3),
    GROWTHS,
    st.lists(st.floats(0, 1) | _REALS, max_size=1),
    st.lists(st.floats(0, 1), max_size=1),
    st.lists(st.floats(0, 1), max_size=4),
).map(lambda pairs: [(name, value.SerializeToString()) for name, value in pairs])
"""As they mostly are: few series, of many extractions each."""


def encoded_span(name="feature_extraction", state="", start_ns=0, end_ns=0, attributes=()):
    """Return an encoded `Span`; attributes are pairs of a name and an encoded `AnyValue`."""
    span = Span(
        trace_id=bytes([1]) * 16,
        span_id=bytes([1]) * 8,
        name=name,
        trace_state=state,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=end_ns,
    )
    pairs = (delimited(1, key.encode()) + delimited(2, value) for key, value in attributes)
    return span.SerializeToString() + b"".join(delimited(9, pair) for pair in pairs)


def request(spans):
    """Return an `ExportTraceServiceRequest` of pairs of a service's number and an encoded span."""
    found = b""
    for service, span in spans:
        resource = delimited(1, delimited(1, delimited(1, b"n") + delimited(2, b"\x18" + varint(service))))
        found += delimited(1, resource + delimited(2, delimited(2, span)))
    return found


SPANS = st.builds(encoded_span, NAMES, STATES, TIMES, TIMES, ATTRIBUTES | LIKELY | LIKELY)
BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 2), SPANS), max_size=12), max_size=4)
