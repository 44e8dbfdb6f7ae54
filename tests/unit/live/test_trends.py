"""Trends of figures, also of those that are 0 most of the time."""

from __future__ import annotations

import pytest

from otel_fe.live.trends import trend_of


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        ([0.0] * 8 + [0.05] * 4, "worsening"),
        ([0.0] * 50 + [0.05] * 10, "worsening"),
        ([0.05] * 6 + [0.0] * 6, "improving"),
        ([0.0] * 12, "steady"),
        ([0.0, 0.001] * 6, "steady"),
        ([0.0, 0.05] * 6, "steady"),
    ],
    ids=["a_third_fails", "the_last_ten_of_sixty", "over", "none_at_all", "one_in_a_thousand", "now_and_then"],
)
def test_errors_that_begin_are_seen(values, direction):
    """A median slope of 0 is not steady where most values are 0 and the last are not."""
    assert trend_of(values, "error_rate").direction == direction


def test_a_change_of_a_rate_is_told_in_its_own_unit():
    """Five percentage points more, which is no ratio of nothing."""
    found = trend_of([0.0] * 6 + [0.05] * 6, "error_rate")
    assert found.change == pytest.approx(0.05, abs=0.01)
    assert found.change_ratio > 0


@pytest.mark.parametrize(("last", "direction"), [(0.62, "worsening"), (0.899, "steady"), (0.99, "improving")])
def test_a_hit_rate_moves_by_points(last, direction):
    values = [0.9 + (last - 0.9) * step / 11 for step in range(12)]
    assert trend_of(values, "cache_hit_rate").direction == direction


def test_latencies_move_by_a_share():
    assert trend_of([100.0 + step for step in range(12)], "p95_latency_ms").direction == "worsening"
    assert trend_of([100.0 + step / 10 for step in range(12)], "p95_latency_ms").direction == "steady"
