"""Why each feature set of a store is slow, in one sentence."""

from __future__ import annotations

from otel_fe.dashboard.overview import groups_in
from otel_fe.dashboard.reasons import reason_of
from tests.unit.dashboard.conftest import NOW
from tests.unit.store.parts import HOUR

WINDOW = (NOW - HOUR, NOW)


def found(stored):
    """Return the reasons by feature set."""
    return {
        one["feature_set"]: reason_of(
            stored, WINDOW, (one["service"], one["feature_set"]), one["figures"].p95_ns, one["figures"].slow
        )
        for one in groups_in(stored, WINDOW, None, None)
    }


def test_sentence_says_the_same_as_the_ranking(stored):
    """The causes of the first page's table, in the same order, with the same figures."""
    for one in found(stored).values():
        first = one.causes.ranked[0]
        assert one.explanation.cause == one.advice[0]["cause"] == first.cause
        assert f"{first.cost_share * 100:.0f} % of slow time" in str(one.explanation)


def test_sentence_names_the_call_that_slow_extractions_spend_most_time_in(stored):
    """After a miss, it is the query; those that are fast wait for Redis."""
    assert {one.explanation.call for one in found(stored).values()} == {"SELECT features"}
    assert " of slow time because of cache misses, 72 % in SELECT features" in str(found(stored)["session"].explanation)
