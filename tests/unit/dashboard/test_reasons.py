"""The reason why each feature set of a store is slow, in one sentence."""

from __future__ import annotations

from otel_fe.dashboard.overview import groups_in
from otel_fe.dashboard.reasons import reason_of
from tests.unit.dashboard import traces
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


def test_an_n_plus_one_is_named_in_the_sentence_and_in_what_to_do(own):
    bed, asked = own
    split = {2: {"downstream": 140, "cpu": 9}}
    many = [traces.kept(traces.n_plus_one(), trace_id=n, start_ns=NOW - n * 10**9, splits=split) for n in range(1, 6)]
    bed.write("trace", *many)
    reason = reason_of(asked.site._stored, WINDOW, ("feature-service", "prices"), 168e6, 5)
    calls = f"150 {traces.TIMES} SELECT … item"
    assert f"83 % of slow time in {calls} (N+1)" in str(reason.explanation)
    assert reason.advice[0]["action"].startswith(f"N+1: {calls} follow each other and take 73.5 ms of the mean slow")
    assert "one statement" in reason.advice[0]["action"]
