"""Intervals of the knee against exact simulations of services drawn at random: as many hold it as they promise."""

from __future__ import annotations

import pytest

from tests.unit.capacity.random_services import drawn, knee_of

SEEDS = range(200, 208)
"""Two of each kind."""


@pytest.mark.thorough
def test_knees_lie_in_their_intervals():
    """90 % of them are to: of eight at least six (fewer have a chance of 4 %). Bootstrap draws alone hold half of them."""
    found = [knee_of(drawn(seed), seed) for seed in SEEDS]
    inside = [room.low <= true <= room.high for room, true in found]
    assert sum(inside) >= 6, found
    assert all(room.high < 2.5 * max(room.low, 0.3 * true) for room, true in found)
