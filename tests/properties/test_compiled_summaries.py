"""Kept traces summarised for the store in C, against the plain way: the same sums, measurements and causes."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_fe import compiled, semconv
from otel_fe.model.decision import Decision
from otel_fe.pipeline import extractions
from otel_fe.store import kept_trace, summary
from otel_fe.wire.decode import Decoder
from otel_fe.wire.fields import delimited
from tests.properties.extractions import ATTRIBUTES, LIKELY, NAMES, STATES, TIMES, UINT64

pytestmark = pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
IDS = st.integers(1, 6)
SMALL_TIMES = st.integers(0, 60) | TIMES
BOTTLENECKS = st.sampled_from(
    [
        [],
        [],
        *(
            [(semconv.BOTTLENECK, value.SerializeToString())]
            for value in (
                AnyValue(string_value="gc"),
                AnyValue(string_value="cpu"),
                AnyValue(string_value="luck"),
                AnyValue(int_value=1),
                AnyValue(bytes_value=b"cpu"),
            )
        ),
    ]
)


def encoded(name, state, ids, start_ns, end_ns, kind, status, attributes, bottleneck):
    """Return an encoded span of trace 1; attributes are pairs of a name and an encoded `AnyValue`."""
    number, parent = ids
    span = Span(
        trace_id=bytes([1]) * 16,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        trace_state=state,
        kind=kind,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=end_ns,
        status=Status(code=status),
    )
    pairs = [delimited(1, key.encode()) + delimited(2, value) for key, value in [*attributes, *bottleneck]]
    return span.SerializeToString() + b"".join(delimited(9, pair) for pair in pairs)


SPANS = st.builds(
    encoded,
    NAMES,
    STATES,
    st.tuples(IDS, IDS | st.just(0)),
    SMALL_TIMES,
    SMALL_TIMES,
    st.sampled_from([0, 1, 3, 3, 4]),
    st.sampled_from([0, 0, 1, 2]),
    ATTRIBUTES | LIKELY | LIKELY,
    BOTTLENECKS,
)
SERVICES = st.sampled_from(["a", "b", "", None])


def request(members):
    """Return a request of pairs of a service, None for a resource without one, and an encoded span."""
    found = b""
    for service, span in members:
        name = delimited(1, b"service.name") + delimited(2, AnyValue(string_value=service).SerializeToString())
        resource = delimited(1, delimited(1, name)) if service is not None else b""
        found += delimited(1, resource + delimited(2, delimited(2, span)))
    return found


def plain_kept(spans, **options):
    """Return what the plain implementation keeps of a trace."""
    with (
        patch.object(summary, "_summarized", None),
        patch.object(extractions, "_pick", extractions._picked),
        patch.object(extractions, "_extractions", extractions._plain_extractions),
    ):
        return kept_trace(1, spans, **options)


def shown(kept):
    """Return a kept trace as a text that tells 1 from True, with each split in its order."""
    return repr(kept)


@given(st.lists(st.tuples(SERVICES, SPANS), min_size=1, max_size=9), st.booleans(), st.sampled_from([None, 0, 1 << 55]))
@example([("a", encoded(semconv.SPAN_NAME, "", (1, 1), 5, 9, 3, 0, [], []))], False, 0)
@example([("a", encoded(semconv.SPAN_NAME, "", (2, 0), 0, UINT64, 1, 2, [], []))], False, 0)
def test_traces_are_summarised_alike(members, late, threshold):
    """A kept trace is the same from C and from Python, to the types of its values and the order of its causes."""
    spans = list(Decoder().decode(request(members)).spans)
    options = {"decision": Decision(sampled=True, reason="slow", threshold=threshold), "late": late}
    assert shown(kept_trace(1, spans, **options)) == shown(plain_kept(spans, **options))


@pytest.mark.parametrize("spans", [1, 64, 65])
def test_usual_traces_are_not_left_to_python(spans):
    """C summarises usual traces of up to 64 spans itself, and leaves longer ones."""
    measured = [
        (semconv.CPU_TIME, AnyValue(double_value=0.25).SerializeToString()),
        (semconv.CACHE_LOOKUPS, AnyValue(int_value=4).SerializeToString()),
        (semconv.CACHE_HITS, AnyValue(int_value=1).SerializeToString()),
        (semconv.CACHE_TIME, AnyValue(double_value=0.125).SerializeToString()),
    ]
    members = [("a", encoded(semconv.SPAN_NAME, "", (1, 0), 0, 10**9, 1, 0, measured, []))]
    calls = range(2, spans + 1)
    members += [("b", encoded("GET", "", (n, n // 2), n * 10**6, n * 10**6 + 3 * 10**6, 3, 0, [], [])) for n in calls]
    received = list(Decoder().decode(request(members)).spans)
    found = summary._summarized(received)
    assert (found is None) == (spans > 64)
    decision = Decision(sampled=True, reason="slow", threshold=0)
    assert shown(kept_trace(1, received, decision)) == shown(plain_kept(received, decision=decision))
    (extraction,) = kept_trace(1, received, decision).extractions
    assert sum(extraction.split.values()) == 10**9
    assert extraction.split["cache_miss"] == 93_750_000


def test_no_spans_are_summarised_alike():
    """A part without spans has empty sums."""
    decision = Decision(sampled=True, reason="slow", threshold=0)
    assert shown(kept_trace(1, [], decision)) == shown(plain_kept([], decision=decision))
