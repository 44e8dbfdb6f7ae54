"""Intervals of time against a plain reference: every moment by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_fe.model.intervals import uncovered

MOMENTS = st.integers(0, 30)


@given(st.lists(st.tuples(MOMENTS, MOMENTS).map(sorted).map(tuple)), MOMENTS, MOMENTS)
def test_uncovered_parts_are_the_moments_that_no_interval_has(intervals, start, end):
    """Uncovered parts are right also for intervals that overlap, are empty, or reach beyond both ends."""
    found = list(uncovered(intervals, start, end))
    covered = {moment for first, last in intervals for moment in range(first, last)}
    assert [moment for first, last in found for moment in range(first, last)] == [
        moment for moment in range(start, end) if moment not in covered
    ]
    assert all(first < last for first, last in found)
