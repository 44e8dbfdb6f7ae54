from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import pytest

from otel_fe import semconv
from otel_fe.model.edges import EDGES
from otel_fe.model.slo import Limit
from otel_fe.pipeline.event_sums import BudgetGroup
from otel_fe.pipeline.percentile import percentiles

GROUP = BudgetGroup("shop", "user_profile")
LIMIT = Limit(semconv.DURATION, (), Fraction(1, 10), strict=True)
P95 = Fraction(95, 100)


class Values:
    """A histogram of values in milliseconds."""

    def __init__(self, values):
        self.values = [Fraction(value, 1000) for value in values]

    def at_most(self, values, edges, start_ns, end_ns):
        """Return how many there are, up to each edge and in all."""
        return {GROUP: [*(sum(value <= edge for value in self.values) for edge in edges), len(self.values)]}


def percentile(values, share=P95):
    """Return the percentile of values in milliseconds."""
    return percentiles(LIMIT, share, Values(values), 0, 1)[GROUP]


def test_it_lies_in_the_bucket_of_its_rank():
    """The p95 of 20 values is in the bucket of the 19th; an edge belongs to the bucket below it."""
    found = percentile([1] * 18 + [100, 500])
    assert (found.above, found.at_most, found.total) == (Fraction("0.095"), Fraction("0.1"), 20)
    assert percentile([1] * 18 + [101, 500]).at_most == Fraction("0.105")
    assert percentile([0]).above is None
    assert percentile([600_000]).at_most is None


@pytest.mark.thorough
def test_it_says_the_same_as_the_share():
    """p95 is at most 100 ms where at least 95 % are, and nowhere else."""
    draw = random.Random(3)
    seen = Counter()
    for _ in range(300):
        values = [draw.choice((50, 150)) if draw.random() < 0.12 else 20 for _ in range(draw.randint(1, 120))]
        enough = 100 * sum(value <= 100 for value in values) >= 95 * len(values)
        found = percentile(values)
        assert (found.at_most <= Fraction("0.1")) is enough
        assert found.surely_at_most is None or found.at_most <= found.surely_at_most
        assert found.surely_above is None or found.surely_above <= found.above
        seen[enough] += 1
    assert min(seen.values()) > 50


def test_without_events_there_is_none():
    """Rather than one of 0."""
    assert percentiles(LIMIT, P95, Values([]), 0, 1) == {}
    assert EDGES[semconv.DURATION] == tuple(sorted(EDGES[semconv.DURATION]))
