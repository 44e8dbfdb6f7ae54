"""The gaps of an extraction, and what is said to have been measured in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.dashboard.own_time import own_time
from tests.unit.dashboard.traces import MS, S, decoded, get, sql


def gaps_of(calls, told=(), split=None, end=100):
    trace = decoded(S("feature_extraction x", 0, end, calls))
    return own_time(trace.nodes[0], trace, {k: v * MS for k, v in (split or {"cpu": 1}).items()}, told)


def test_what_was_measured_stands_in_the_gap_it_was_measured_in():
    told = ["3000 87000 lock 74000 shop/cache.py:31 get", "3000 87000 cpu 9000 shop/app.py:1 f", "95000 5000 cpu 4000"]
    found = gaps_of([get(1, 3), sql(90, 95)], told)
    assert found.total_ns == 93 * MS
    assert [(gap.start_ns // MS, gap.length_ns // MS) for gap in found.gaps] == [(0, 1), (3, 87), (95, 5)]
    assert found.gaps[0].parts == ()
    assert [(part.cause, part.time_ns // MS, part.line) for part in found.gaps[1].parts] == [
        ("lock", 74, "shop/cache.py:31 get"), ("cpu", 9, "shop/app.py:1 f"),
    ]  # fmt: skip
    assert [(part.cause, part.line) for part in found.gaps[2].parts] == [("cpu", "")]
    assert found.parts == ()


def test_without_samples_only_what_lies_outside_of_calls_is_said_and_not_where():
    """Garbage collection and the GIL also stop calls: how much of them lies in gaps is not known."""
    found = gaps_of([get(1, 3), sql(90, 95)], split={"lock": 60, "gil": 20, "cpu": 13, "downstream": 7})
    assert [(part.cause, part.time_ns // MS) for part in found.parts] == [("lock", 60), ("cpu", 13)]
    assert all(gap.parts == () for gap in found.gaps)


def test_an_extraction_without_calls_or_without_gaps_has_none():
    assert gaps_of([]) is None
    assert gaps_of([sql(0, 100)]) is None
    assert gaps_of([sql(0, 60), get(40, 100)]) is None


@pytest.mark.parametrize("line", ["", "x", "1 2 cpu", "1 2 nonsense 3 a.py:1 f", "-1 2 cpu 3", "1 2 cpu ٣", "1 2 cpu 99999999999999999999"])  # fmt: skip
def test_lines_that_are_none_are_left_out(line):
    found = gaps_of([sql(0, 50)], [line], split={"cpu": 50})
    assert [part.cause for part in found.parts] == ["cpu"]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 40)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.sampled_from(["cpu", "lock"]), st.integers(0, 200)), max_size=8),
    st.dictionaries(st.sampled_from(["cpu", "lock", "gil", "unexplained", "downstream"]), st.integers(0, 150)),
)  # fmt: skip
def test_no_more_is_claimed_than_there_is_time(calls, told, split):
    lines = [f"{at * 1000} {length * 1000} {cause} {took * 1000} a.py:1 f" for at, length, cause, took in told]
    found = gaps_of([sql(at, at + length) for at, length in calls], lines, split or {"cpu": 1})
    if found is not None:
        assert sum(gap.length_ns for gap in found.gaps) <= found.total_ns
        assert all(sum(part.time_ns for part in gap.parts) <= gap.length_ns for gap in found.gaps)
        assert sum(part.time_ns for part in found.parts) <= found.total_ns
        covered = {ms for at, length in calls for ms in range(at, at + length)}
        assert found.total_ns == (100 - len(covered & set(range(100)))) * MS
