"""Folding, paging and the axis of a waterfall."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_fe.dashboard.critical_path import critical_path
from otel_fe.dashboard.waterfall import ROWS, axis, waterfall
from otel_fe.store.decoded_trace import DecodedTrace
from tests.unit.dashboard.traces import MS, S, decoded, get, n_plus_one, sql
from tests.unit.store.parts import otlp


def rows_of(trace, **more):
    return waterfall(trace, {}, {}, **more).rows


def written(rows):
    return [(f"{row.count} of " if row.count > 1 else "") + row.name for row in rows]


def test_equal_calls_are_folded_and_named_n_plus_one():
    request, extraction, look_up, calls = rows_of(decoded(n_plus_one(150)))
    assert written((request, extraction, look_up, calls)) == [
        "GET /prices", "feature_extraction prices", "GET", "150 of SELECT … item",
    ]  # fmt: skip
    assert (calls.n_plus_one, calls.sequential, calls.kind) == (True, True, "database")
    assert calls.statement == "SELECT price FROM item WHERE id = ?"
    assert calls.duration_ns == 150 * 490_000
    assert calls.start_ns == 90 * MS


def test_four_equal_calls_stay_rows():
    trace = decoded(S("top", 0, 10, [sql(n, n + 1) for n in range(4)]))
    assert written(rows_of(trace)) == ["top", *["SELECT shop"] * 4]


def test_calls_side_by_side_are_folded_and_are_no_n_plus_one():
    (_, folded) = rows_of(decoded(S("top", 0, 10, [sql(0, 9) for _ in range(20)])))
    assert (folded.count, folded.sequential, folded.n_plus_one) == (20, False, False)


def test_polling_is_no_n_plus_one():
    """Twenty polls of 1 ms within a second are not named N+1."""
    (_, folded) = rows_of(decoded(S("top", 0, 1_000, [sql(n * 50, n * 50 + 1) for n in range(20)])))
    assert (folded.sequential, folded.n_plus_one) == (True, False)


def test_other_statements_and_other_services_are_other_rows():
    children = [
        *(sql(n, n + 0.5, f"SELECT a FROM first WHERE id = {n}") for n in range(0, 40, 4)),
        *(sql(n + 1, n + 1.5, f"SELECT a FROM second WHERE id = {n}") for n in range(0, 40, 4)),
        *(sql(n + 2, n + 2.5, f"SELECT a FROM first WHERE id = {n}", service="other") for n in range(0, 40, 4)),
        *(get(n + 3, n + 3.5) for n in range(0, 40, 4)),
    ]
    rows = rows_of(decoded(S("top", 0, 40, children)))
    assert written(rows) == [
        "top",
        "10 of SELECT … first",
        "10 of SELECT … second",
        "10 of SELECT … first",
        "10 of GET (redis)",
    ]
    assert [row.service for row in rows[1:]] == ["feature-service", "feature-service", "other", "feature-service"]


def test_what_failed_is_not_hidden_among_what_did_not():
    children = [sql(n, n + 0.5, error="gone" if n == 7 else None) for n in range(20)]
    assert written(rows_of(decoded(S("top", 0, 20, children)))) == ["top", "19 of SELECT … item", "SELECT shop"]


def test_failure_below_a_span_keeps_it_apart():
    children = [S("step", n, n + 1, [get(n, n + 0.5, error="x" if n == 3 else None)]) for n in range(9)]
    assert written(rows_of(decoded(S("top", 0, 9, children)))) == ["top", "8 of step", "step", "GET"]


def test_one_of_many_is_shown_when_it_is_asked_for():
    trace = decoded(S("top", 0, 60, [S("step", n, n + 1, [get(n, n + 0.5)]) for n in range(50)]))
    folded = rows_of(trace)[1]
    wanted = folded.members[31]
    found = waterfall(trace, {}, {}, span_id=bytes.fromhex(wanted.span_id))
    assert found.found
    assert written(found.rows) == ["top", "49 of step", "step", "GET"]
    assert found.rows[2].span_id == wanted.span_id


def test_many_different_spans_are_on_several_pages():
    trace = decoded(S("top", 0, 2_000, [S(f"step {n}", n, n + 1) for n in range(1_000)]))
    pages = [waterfall(trace, {}, {}, page=number) for number in range(3)]
    assert [len(one.rows) for one in pages] == [ROWS, ROWS, 1_001 - 2 * ROWS]
    assert {one.pages for one in pages} == {3}
    assert len({row.span_id for one in pages for row in one.rows}) == 1_001
    asked = waterfall(trace, {}, {}, span_id=(900).to_bytes(8, "big"))
    assert asked.page == 2
    assert any(row.span_id == f"{900:016x}" for row in asked.rows)


@pytest.mark.parametrize("parent_of", [lambda n: n - 1, lambda n: 1 if n > 1 else 0, lambda n: n % 50], ids=["deep", "wide", "mixed"])  # fmt: skip
def test_ten_thousand_spans_make_few_rows_in_little_time(parent_of):
    """Processor time, so that a busy machine does not matter; a hundred times of what it takes."""
    spans = otlp(*((1, n, parent_of(n), "step", {}) for n in range(1, 10_001)))
    began = time.process_time()
    trace = DecodedTrace(spans)
    found = waterfall(trace, {}, critical_path(trace))
    assert time.process_time() - began < 20
    assert len(found.rows) <= ROWS
    assert len(trace.nodes) == 10_000


@given(st.integers(1, 10**14))
def test_axis_has_round_marks_within_the_trace(length_ns):
    ticks = axis(length_ns)
    assert ticks[0].x == 0
    assert 1 <= len(ticks) <= 7
    assert all(0 <= tick.x <= 100 for tick in ticks)
    gaps = {round(b.x - a.x, 2) for a, b in itertools.pairwise(ticks)}
    assert not gaps or max(gaps) - min(gaps) <= 0.02


def test_axis_of_nothing_is_empty():
    assert axis(0) == ()
    assert [tick.label for tick in axis(125 * MS)] == ["0 ms", "20 ms", "40 ms", "60 ms", "80 ms", "100 ms", "120 ms"]


SPANS = st.lists(
    st.tuples(
        st.integers(0, 30), st.integers(0, 200), st.integers(0, 60), st.sampled_from(["SELECT a", "GET", "step"])
    ),
    min_size=1,
    max_size=30,
)


def arbitrary(shapes):
    """Return a trace of spans with any parents and times, circles among them."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, (parent, start, length, name) in enumerate(shapes, 1):
        scope.spans.add(
            trace_id=b"\1" * 16, span_id=number.to_bytes(8, "big"), name=name,
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            start_time_unix_nano=1_000 + start, end_time_unix_nano=1_000 + start + length,
        )  # fmt: skip
    return DecodedTrace(request.SerializeToString())


@settings(deadline=None)
@given(SPANS)
def test_every_span_is_in_one_row(shapes):
    """A span has its own row or one with equal ones; spans below a folded span are folded with it."""
    trace = arbitrary(shapes)
    assert sorted(int.from_bytes(node.span.span_id, "big") for node in trace.nodes) == list(range(1, len(shapes) + 1))
    covered = []
    for row in rows_of(trace):
        if row.count == 1:
            covered.append(int(row.span_id, 16))
        else:
            assert len(row.members) == row.count
            assert row.duration_ns == sum(member.duration_ns for member in row.members)
            for member in row.members:
                node = trace.by_id[bytes.fromhex(member.span_id)]
                covered += [int.from_bytes(one.span.span_id, "big") for one in (node, *trace.below(node))]
    assert sorted(covered) == list(range(1, len(shapes) + 1))


@settings(deadline=None)
@given(SPANS)
def test_critical_path_adds_up_to_the_longest_span_at_the_top(shapes):
    trace = arbitrary(shapes)
    tops = [node for node in trace.nodes if node.parent is None]
    path = critical_path(trace)
    assert sum(path.values()) == max(node.duration_ns for node in tops)
    assert all(own >= 0 for own in path.values())


def test_critical_path_is_what_was_waited_for():
    """The later end of two concurrent calls is critical; a task that outlives its parent was not waited for."""
    trace = decoded(S("top", 0, 100, [S("short", 10, 40), S("long", 12, 80), S("late", 85, 130), S("first", 0, 8)]))
    path = critical_path(trace)
    names = {trace.nodes[index].span.name: own // MS for index, own in path.items()}
    assert names == {"top": 24, "long": 68, "first": 8}
