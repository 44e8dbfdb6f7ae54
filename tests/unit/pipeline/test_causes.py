"""The causes of received extractions' time, and the p95 of a slow group without each cause."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import semconv
from otel_fe.model.decision import Decision
from otel_fe.model.measurements import CAUSE_CACHE_HIT, CAUSE_CACHE_MISS, CAUSE_POOL
from otel_fe.model.span import CLIENT, INTERNAL, Span
from otel_fe.pipeline.attribution import CAUSES, attribute, whole_lookups
from otel_fe.pipeline.causes import Explained, in_words, line_of, rank, weighted_quantile, weighted_quantiles
from otel_fe.pipeline.extractions import figures_of, is_extraction, split_of
from otel_fe.pipeline.span_tree import SpanTree
from otel_fe.semconv import CAUSE_DOWNSTREAM
from otel_fe.store import kept_trace
from tests.properties.traffic import SPANS

MS = 1_000_000


def extraction(duration_ms, **attributes):
    """Return the span of an extraction, number 1."""
    return Span(
        1,
        1,
        name="feature_extraction x",
        end_ns=round(duration_ms * MS),
        attributes={f"feature_extraction.{k}": v for k, v in attributes.items()},
    )


def call(number, parent, start_ms, end_ms, kind=CLIENT):
    """Return a call below another span."""
    return Span(1, number, parent, kind=kind, start_ns=round(start_ms * MS), end_ns=round(end_ms * MS))


def milliseconds(split):
    """Return what is not zero, in ms."""
    return {cause: ns / MS for cause, ns in split.items() if ns}


def test_the_process_s_own_split_is_believed():
    """The split that the process measured is used; its rounding error goes to the unexplained part."""
    span = extraction(100, **{"time.pool_wait": 0.07, "time.cpu": 0.02})
    assert milliseconds(split_of(span, SpanTree([span]))) == {"pool_wait": 70, "cpu": 20, "unexplained": 10}


def test_overlapping_calls_count_once():
    """Two calls at the same time, and one inside another, take the time that passes."""
    span = extraction(100, **{"cpu.time": 0.01})
    calls = [call(2, 1, 10, 40), call(3, 1, 20, 50), call(4, 2, 12, 14), call(5, 9, 60, 70)]
    assert milliseconds(split_of(span, SpanTree([span, *calls]))) == {"downstream": 40, "cpu": 10, "unexplained": 50}


@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(-5, 50), st.integers(-5, 50)), max_size=8),
    st.integers(-1, 50),
)
def test_calls_take_the_time_that_attribution_gives_them(duration, calls, cpu):
    """Whatever they overlap, and however far they reach out of the extraction, or backwards."""
    attributes = {"feature_extraction.cpu.time": cpu / 1e9} if cpu >= 0 else {}
    span = Span(1, 1, name="feature_extraction x", start_ns=100, end_ns=100 + duration, attributes=attributes)
    below = [
        Span(1, number, 1, kind=CLIENT, start_ns=100 + first, end_ns=100 + last)
        for number, (first, last) in enumerate(calls, 2)
    ]
    intervals = [("downstream", one.start_ns, one.end_ns) for one in below]
    assert split_of(span, SpanTree([span, *below])) == attribute(100, 100 + duration, intervals, cpu)


def test_waits_and_missed_look_ups_are_taken_out_of_the_calls_that_hold_them():
    """`connect` contains the wait for its connection, the Redis span the look-up that missed."""
    span = extraction(100, **{"pool.wait_time": 0.03, "cache.time": 0.008, "cache.lookups": 4, "cache.hits": 1})
    calls = [call(2, 1, 0, 10), call(3, 1, 10, 50)]
    assert milliseconds(split_of(span, SpanTree([span, *calls]))) == {
        "pool_wait": 30,
        "cache_miss": 6,
        "downstream": 14,
        "unexplained": 50,
    }


def test_calls_are_found_at_any_depth_and_circles_end():
    """Through spans that are no calls, and past a span that is its own ancestor."""
    span = extraction(100)
    spans = [span, call(2, 1, 0, 1, INTERNAL), call(3, 2, 0, 1), call(1, 3, 0, 1), call(7, 8, 0, 1)]
    assert [found.span_id for found in SpanTree(spans).calls_below(span)] == [3, 1]


def test_spans_that_lie_in_each_other_are_passed_so_many_times_and_no_more():
    """Below the first of n there are n, below the second n - 1: a trace of 50 000 would take an hour."""
    spans = [call(n + 1, n, 0, 1) for n in range(100)]
    family = SpanTree(spans, most_steps=250)
    assert [len(family.calls_below(span)) for span in spans[:4]] == [99, 98, 53, 0]


def test_who_is_below_whom_is_found_out_once_for_all_extractions():
    """A trace's tree is built once for all of its extractions, even if there are very many."""
    asked = []

    class Asked(Span):
        parent = 0
        parent_id = property(
            lambda self: asked.append(self) or self.parent, lambda self, value: setattr(self, "parent", value)
        )

    spans = [Asked(1, n + 1, name=semconv.SPAN_NAME, start_ns=1, end_ns=2) for n in range(50)]
    asked.clear()
    kept = kept_trace(1, spans, Decision(sampled=True, reason="a", threshold=0), b"")
    assert len(kept.extractions) == 50
    assert len(asked) < 3 * 50


def test_calls_at_the_same_time_are_told_apart_by_their_ends_alone():
    """Ten thousand that overlap: looking at all that are open wherever one begins or ends would take a minute."""
    begun_s = time.process_time()
    calls = [("downstream", n, 20_000 - n) for n in range(10_000)]
    assert attribute(0, 20_000, calls, 0)["downstream"] == 20_000
    assert time.process_time() - begun_s < 5


@given(SPANS, st.lists(SPANS, max_size=6))
def test_the_parts_add_up_for_any_span(span, trace):
    """Whatever is on it: no part is negative, and together they are its duration."""
    span.attributes = {**span.attributes, semconv.CPU_TIME: 1e9, semconv.POOL_WAIT_TIME: -1, semconv.CACHE_TIME: "x"}
    split = split_of(span, SpanTree([span, *trace]))
    assert sum(split.values()) == span.duration_ns
    assert min(split.values()) >= 0
    assert set(split) == set(CAUSES)


def test_figures_are_what_the_attributes_say():
    """An attribute of another type is ignored."""
    figures = figures_of(
        extraction(5, **{"feature_set": "x", "cache.lookups": 3, "cache.hits": 5, "cpu.time": 0.001, "library": 7})
    )
    assert (figures.feature_set, figures.library, figures.duration_ns) == ("x", "", 5 * MS)
    assert (figures.cache_lookups, figures.cache_hits, figures.cpu_ns, figures.pool_waits) == (3, 3, MS, 0)
    assert figures_of(extraction(5)).cpu_ns == -1
    assert is_extraction(extraction(1))
    assert not is_extraction(call(2, 1, 0, 1))


def test_causes_are_ranked_with_the_percentile_without_each():
    """Nine that waited 80 of 100 ms and one of 150 ms CPU: without the waits the p95 is that one's."""
    waiting = [Explained(100 * MS, {"pool_wait": 80 * MS, "cpu": 20 * MS}) for _ in range(9)]
    busy = Explained(150 * MS, {"cpu": 150 * MS}, weight=0.5)
    causes = rank([*waiting, busy], share=0.95)
    assert causes.quantile_ns == 150 * MS
    assert [(c.cause, c.quantile_without_ns // MS) for c in causes.ranked] == [("pool_wait", 150), ("cpu", 80)]
    assert sum(cause.share for cause in causes.ranked) == 1.0
    assert rank([], share=0.95).quantile_ns == 0


def test_a_miss_costs_what_it_made_the_extraction_compute():
    """Extractions that missed would last as long as those that hit, at the same rank."""
    missed = [Explained(n * MS, {"cache_miss": MS, "cpu": (n - 1) * MS}, missed=True) for n in (100, 200)]
    hits = [Explained(n * MS, {"cpu": n * MS}) for n in (5, 10)]
    alone, beside = rank(missed, share=1.0), rank(missed, share=1.0, hits=hits)
    assert next(c.quantile_without_ns for c in alone.ranked if c.cause == "cache_miss") == 199 * MS
    assert next(c.quantile_without_ns for c in beside.ranked if c.cause == "cache_miss") == 10 * MS


def test_a_miss_that_costs_little_is_no_first_cause():
    """2 % of the time are look-ups that missed, 81 % calls of other services that hits make, too: the calls come first."""
    slow = [
        Explained(200 * MS, {"cache_miss": 4 * MS, "downstream": 162 * MS, "cpu": 34 * MS}, missed=True)
        for _ in range(20)
    ]
    hits = [Explained(190 * MS, {"downstream": 160 * MS}, hit=True) for _ in range(20)]
    for causes in (rank(slow), rank(slow, hits=hits)):
        assert [one.cause for one in causes.ranked] == ["downstream", "cpu", "cache_miss"]


def test_a_miss_that_makes_all_the_difference_is_the_first_cause():
    """A miss beside fast hits costs what it made the extraction compute, and is named first."""
    slow = [Explained(150 * MS, {"cache_miss": 1 * MS, "cpu": 90 * MS}, missed=True) for _ in range(20)]
    hits = [Explained(2 * MS, {}, hit=True) for _ in range(20)]
    first = rank(slow, hits=hits).ranked[0]
    assert (first.cause, round(first.cost_share, 3)) == ("cache_miss", round(148 / 150, 3))
    assert "98.7 % with what it makes them compute" in in_words(first, 20)


def test_a_pool_that_is_too_small_for_misses_is_the_cause_and_not_the_misses():
    """Only those that miss ask the pool: hits are fast, and it is the wait that makes misses slow all the same."""
    slow = [Explained(150 * MS, {"cache_miss": 2 * MS, "pool_wait": 110 * MS, "downstream": 38 * MS}, missed=True)] * 20
    hits = [Explained(2 * MS, {}, hit=True) for _ in range(20)]
    assert [one.cause for one in rank(slow, hits=hits).ranked] == ["pool_wait", "cache_miss", "downstream"]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from([0.0, 0.5, 1.0, 20.0])), max_size=40),
    st.lists(st.floats(0, 1), max_size=5),
)
def test_several_quantiles_are_those_that_counting_up_gives(pairs, shares):
    """Quantiles are those counted by hand: in order of the values, until a share of the weight is reached."""
    values, weights = [value for value, _ in pairs], [weight for _, weight in pairs]

    def counted_up(share):
        seen, last = 0.0, 0
        for value, weight in sorted(zip(values, weights, strict=True)):
            if weight > 0:
                seen, last = seen + weight, value
                if seen >= sum(weights) * share:
                    return value
        return last

    assert weighted_quantiles(values, weights, shares) == [counted_up(share) for share in shares]


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 4)), max_size=20), st.floats(0.01, 1.0))
def test_a_weighted_quantile_is_that_of_the_repeated_values(pairs, share):
    """A weight of n is n values."""
    repeated = sorted(value for value, weight in pairs for _ in range(weight))
    found = weighted_quantile([value for value, _ in pairs], [weight for _, weight in pairs], share)
    if repeated:
        rank_ = next(i for i in range(len(repeated)) if i + 1 >= share * len(repeated))
        assert found == repeated[rank_]
    else:
        assert found == 0


def test_line_of_a_cause_is_that_of_the_extractions_it_was_the_bottleneck_of():
    group = [
        Explained(120 * MS, {"cpu": 90 * MS, "lock": 30 * MS}, hotspot=("a.py:1 f", 80 * MS), bottleneck="cpu"),
        Explained(120 * MS, {"cpu": 100 * MS}, weight=2.0, hotspot=("b.py:2 g", 70 * MS), bottleneck="cpu"),
        Explained(300 * MS, {"lock": 300 * MS}, hotspot=("c.py:3 h", 300 * MS), bottleneck="lock"),
    ]
    assert line_of("cpu", group) == ("b.py:2 g", 140 / 290)
    assert line_of("lock", group) == ("c.py:3 h", 1.0)
    assert line_of("gc", group) is None
    assert line_of("cpu", [Explained(100 * MS, {"cpu": 100 * MS})]) is None


MISS, HIT, CALL = CAUSE_CACHE_MISS, CAUSE_CACHE_HIT, CAUSE_DOWNSTREAM


@pytest.mark.parametrize(
    ("call", "lookups", "cause"),
    [
        ((0, 100), [(MISS, 20, 60)], MISS),
        ((0, 100), [(HIT, 20, 60)], HIT),
        ((0, 100), [(HIT, 5, 20), (MISS, 30, 45)], MISS),  # a pipeline of commands
        ((0, 100), [(MISS, 20, 44)], CALL),  # it does much else
        ((0, 100), [(MISS, 100, 160)], CALL),
        ((0, 100), [(MISS, -60, -1)], CALL),
        ((0, 100), [(CAUSE_POOL, 20, 90)], CALL),
        ((0, 100), [(MISS, 80, 400)], CALL),  # most of the look-up is elsewhere
        ((0, 100), [], CALL),
    ],
    ids=str,
)
def test_a_call_that_is_a_look_up_has_its_cause(call, lookups, cause):
    """With a cache on the same machine, the client around a look-up takes as long as the look-up."""
    assert whole_lookups([(CALL, *call)], lookups) == [(cause, *call)]


def test_calls_that_all_overlap_are_look_ups():
    """Those of `asyncio.gather` each contain all look-ups; only some are looked at."""
    number = 4_000
    calls = [(CALL, place, 10_000_000 + place) for place in range(number)]
    found = whole_lookups(calls, [(MISS, place, 5_000_000) for place in range(number)])
    assert {cause for cause, _, _ in found} == {MISS}
