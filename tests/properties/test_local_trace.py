"""The compiled trace of this process answers as the plain one does, whatever comes in whatever order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.pipeline.trace import SWEEP_EVERY_BYTES, UNBOUNDED, DecisionBounds, LocalTrace, PlainLocalTrace

pytestmark = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")

FIELDS = (
    *("trace_id", "entry", "key", "open_spans", "open_roots", "roots_ended_ns", "decided", "decision", "abandoned"),
    *("error", "slo_breached", "start_ns", "end_ns", "bytes", "spans", "candidates", "duration_ns"),
)
TIMES = st.integers(0, 200)
STEPS = st.one_of(
    st.tuples(st.just("started"), st.booleans()),
    st.tuples(
        st.just("ended"),
        st.integers(),
        TIMES,
        TIMES,
        st.booleans(),
        st.sampled_from([0, 500, SWEEP_EVERY_BYTES // 2]),
        st.booleans(),
    ),
    st.tuples(st.just("withheld"), st.booleans()),
    st.tuples(st.just("claim"), st.booleans()),
    st.tuples(st.just("abandon")),
    st.tuples(st.just("breach")),
)


def _performed(trace, step):
    name, *arguments = step
    if name == "breach":
        trace.slo_breached = True
        return None
    return getattr(trace, name)(*arguments)


@given(st.lists(STEPS, max_size=30), st.sampled_from([1, 3, 1_000]), st.sampled_from([50, 1_000]), st.booleans())
def test_a_compiled_trace_is_the_plain_one(steps, most_spans, slow_ns, immediately):
    traces = []
    for kind in (LocalTrace, PlainLocalTrace):
        ticks = itertools.count(1)
        traces.append(kind(7, "th:8", b"key", DecisionBounds(slow_ns, immediately, most_spans, ticks.__next__)))
    assert type(traces[0]) is not type(traces[1])
    for step in steps:
        outcomes = [_performed(trace, step) for trace in traces]
        assert outcomes[0] == outcomes[1], step
        assert type(outcomes[0]) is type(outcomes[1])
        assert [getattr(traces[0], name) for name in FIELDS] == [getattr(traces[1], name) for name in FIELDS]


def test_a_trace_without_bounds_is_the_plain_one_too():
    traces = [kind(7, None) for kind in (LocalTrace, PlainLocalTrace)]
    for trace in traces:
        assert trace.started(True)
        assert trace.started(False)
        assert trace.ended("a", 1, 2, True, 5, True) == 1
        assert trace.ended("b", 1, 3, True, 5, False) == 5
    assert [getattr(traces[0], name) for name in FIELDS] == [getattr(traces[1], name) for name in FIELDS]
    assert traces[1].bounds is UNBOUNDED
