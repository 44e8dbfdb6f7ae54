"""One estimate of a percentile: bounded by what was recorded, and the same wherever it is made."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.model.quantile import quantile
from otel_fe.store.counts import pack_buckets
from otel_fe.store.distribution import Distribution

EDGES = (0.1, 1.0, 10.0, 30.0)


def counted(values):
    counts = [0] * (len(EDGES) + 1)
    for value in values:
        counts[bisect_left(EDGES, value)] += 1
    return counts


def stored(values):
    """The same values as a stored row has them."""
    found = Distribution()
    buckets = {index: count for index, count in enumerate(counted(values)) if count}
    found.add(EDGES, pack_buckets(buckets), len(values), 0, 0, extremes=(min(values), max(values)))
    return found


@pytest.mark.parametrize(
    ("values", "largest"),
    [([0.05] * 19 + [13.0], 13.0), ([38.0] * 20, 38.0), ([0.05, 31.0, 38.0], 38.0), ([12.99], 12.99)],
    ids=["inside_the_last_bucket", "beyond_the_last_edge", "among_others", "a_single_value"],
)
def test_no_percentile_exceeds_the_largest_value_or_clips_at_the_last_edge(values, largest):
    found = quantile(1.0, EDGES, counted(values), min(values), max(values))
    assert found.value == pytest.approx(largest)
    assert found.high <= largest


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_an_estimate_lies_in_the_bucket_of_the_percentile_and_within_the_extremes(values, share):
    """The nearest-rank percentile (the smallest value that so many do not exceed) lies between the stated bounds."""
    found = quantile(share, EDGES, counted(values), min(values), max(values))
    exact = sorted(values)[max(0, math.ceil(share * len(values) * (1 - 1e-12)) - 1)]
    assert found.low <= exact <= found.high
    assert min(values) <= found.value <= max(values) * (1 + 1e-12)


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_the_store_estimates_what_a_command_does(values, share):
    """Page and command read the same buckets, so they show the same number."""
    assert stored(values).estimate(share) == quantile(share, EDGES, counted(values), min(values), max(values))


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_without_known_extremes_the_store_estimates_what_prometheus_does(values, share):
    """A sender's points may have neither minimum nor maximum: a bucket without an upper edge counts as its lower one."""
    found = Distribution()
    buckets = {index: count for index, count in enumerate(counted(values)) if count}
    found.add(EDGES, pack_buckets(buckets), len(values), 0, 0)
    assert found.estimate(share) == quantile(share, EDGES, counted(values))
    assert found.at_most(EDGES[-1]) == sum(value <= EDGES[-1] for value in values)


@pytest.mark.parametrize("value", [0.1, 12.99, 38.0])
def test_a_single_value_is_at_most_itself(value):
    """The count up to a value is exact where it is both smallest and largest, also at an edge and beyond the last."""
    found = stored([value] * 3)
    assert found.at_most(value) == 3
    assert found.at_most(math.nextafter(value, 0.0)) == pytest.approx(0)


def test_merged_rows_with_unknown_extremes_are_not_bounded_by_known_ones():
    """A row of a sender that names no extremes may hold larger values than those of one that does."""
    found, other = stored([0.5]), Distribution()
    other.add(EDGES, pack_buckets({3: 10}), 10, 0, 0)
    found.merge(other)
    assert found.most is None
    assert found.quantile(1.0) == pytest.approx(30.0)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 2.0), (0.5, 10.0), (0.75, 15.0), (1.0, 20.0)])
def test_values_lie_evenly_within_a_bucket(share, expected):
    """Linear between a bucket's ends, which are never beyond what was recorded."""
    assert quantile(share, (10.0, 30.0), (2, 2, 0), 2.0, 20.0).value == pytest.approx(expected)


def test_of_nothing_there_is_no_percentile():
    assert quantile(0.95, EDGES, [0] * 5) is None
