"""Invariants of derived metrics: exact counts, exponential histograms to the specification, fair exemplars."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.span_metrics import Dimension, Exemplars, Explicit, Exponential, SpanMetrics
from otel_fe.model.exponential import ExponentialHistogram
from otel_fe.model.metric import ExemplarPoint
from otel_fe.model.span import Resource, Span
from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector
from otel_fe.pipeline.span_metrics.dimensions import key_function, text_of
from otel_fe.pipeline.span_metrics.exemplar_reservoir import Reservoir
from otel_fe.testing import FakeClock
from tests.properties.traffic import ATTRIBUTES, KEYS, SPANS, VALUES, clock

VALUES_SEEN = st.floats(min_value=1e-300, max_value=1e300) | st.integers(-60, 60).map(lambda e: 2.0**e)


def naive_key(span, names, fallbacks):
    """Return what `key_function` must make."""
    values = (span.attributes.get(name, fallback) for name, fallback in zip(names, fallbacks, strict=True))
    return (span.name, span.kind, span.status, *(text_of(value) for value in values))


@given(ATTRIBUTES, st.lists(st.tuples(KEYS, VALUES), max_size=5))
def test_a_compiled_key_is_that_of_a_loop(attributes, wanted):
    """Whatever the values, and whatever the names."""
    names, fallbacks = [name for name, _ in wanted], [value for _, value in wanted]
    span = Span(1, 1, name="x", attributes=attributes)
    assert key_function(names, fallbacks)(span, span.attributes.get) == naive_key(span, names, fallbacks)


@pytest.mark.parametrize(
    "histogram", [Explicit((1, 1000, 10**9)), Exponential(8), None], ids=["explicit", "exponential", "none"]
)
@given(spans=st.lists(SPANS, max_size=12), delta=st.booleans(), limit=st.integers(0, 3))
def test_every_span_of_a_service_is_counted_once(histogram, spans, delta, limit):
    """Sums over all series are the number of spans (by weight where `tracestate` says so, to less than one); none raises."""
    settings = SpanMetrics(
        histogram,
        dimensions=(Dimension("shop", "none"), Dimension("", None, "n*")),
        events_enabled=True,
        event_dimensions=(Dimension("ok"),),
        exemplars=Exemplars(enabled=True),
        delta=delta,
        cardinality_limit=limit,
        sampling_method=True,
    )
    connector = SpanMetricsConnector(settings, clock(), random.Random(1).randrange, "i")
    counted = Counter()
    for half in (spans[::2], spans[1::2]):
        connector.record(half)
        connector.offer(half)
        collected = Counter()
        for resource in connector.collect(last=True):
            for metric in resource.metrics:
                for point in metric.points:
                    assert point.start_ns <= point.time_ns
                    value = point.value
                    collected[metric.name] += value if isinstance(value, int) else value.count
        counted = counted + collected if delta else collected
    of_services = [span for span in spans if "service.name" in span.resource.attributes]
    weights = sum({"ot=th:8": 2, "ot=th:c;rv:fedcba98765432,a=b": 4}.get(span.trace_state, 1) for span in of_services)
    assert counted["traces.span.metrics.calls"] == weights
    assert connector.skipped == len(spans) - len(of_services)
    if histogram is not None:
        assert counted["traces.span.metrics.duration"] == weights


@given(st.lists(VALUES_SEEN, max_size=40), st.integers(2, 20))
def test_buckets_are_those_of_the_specification(values, size):
    """Every value lies in its bucket: base**index < value <= base**(index + 1), to rounding; counts and extremes are exact."""
    histogram = ExponentialHistogram(size)
    for value in values:
        histogram.record(value)
    state = histogram.state()
    assert state.count == len(values)
    assert len(state.buckets) <= size
    if not values:
        return
    assert (state.least, state.most) == (min(values), max(values))
    for edge in range(len(state.buckets)):
        upper = (state.offset + edge + 1) * 2.0**-state.scale
        below = sum(math.log2(value) <= upper + 1e-9 for value in values)
        surely = sum(math.log2(value) <= upper - 1e-9 for value in values)
        assert surely <= sum(state.buckets[: edge + 1]) <= below


@pytest.mark.parametrize("exponent", range(-30, 31))
def test_a_power_of_two_is_the_upper_edge_of_its_bucket(exponent):
    """Exactly, at every scale: the value itself is in the bucket that ends with it, the next number above is not."""
    for size in (2, 8, 160):
        histogram = ExponentialHistogram(size)
        histogram.record(2.0**exponent)
        histogram.record(2.0 ** (exponent + 9))
        state = histogram.state()
        assert (state.offset + 1) * 2.0**-state.scale >= exponent > state.offset * 2.0**-state.scale


@given(st.lists(st.lists(VALUES_SEEN, max_size=8), min_size=3, max_size=3), st.integers(2, 20))
def test_merging_is_associative_commutative_and_like_recording(parts, size):
    """Merged counts, scale and buckets equal those of one histogram with all values, in any order of merging."""

    def of(values):
        histogram = ExponentialHistogram(size)
        for value in values:
            histogram.record(value)
        return histogram

    def merged(*histograms):
        total = ExponentialHistogram(size)
        for histogram in histograms:
            total.merge(histogram)
        return total

    first, second, third = (of(values) for values in parts)
    everything = of([value for values in parts for value in values]).state()
    for way in (
        merged(merged(first, second), third),
        merged(first, merged(second, third)),
        merged(third, first, second),
    ):
        state = way.state()
        assert (state.scale, state.offset, state.buckets) == (everything.scale, everything.offset, everything.buckets)
        assert (state.count, state.least, state.most) == (everything.count, everything.least, everything.most)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.lognormvariate(3.5, 0.7),
        lambda rng: rng.gauss(5, 0.5) if rng.random() < 0.8 else rng.gauss(150, 10),
        lambda rng: rng.paretovariate(1.5),
        lambda _: 42.0,
    ],
    ids=["log-normal", "bimodal", "heavy-tailed", "constant"],
)
def test_p95_is_right_within_one_percent(draw):
    """The p95 of 20 000 values of each distribution is right within 1 %, with the default number of buckets."""
    rng = random.Random(7)
    values = sorted(abs(draw(rng)) for _ in range(20_000))
    histogram = ExponentialHistogram()
    for value in values:
        histogram.record(value)
    exact = values[math.ceil(0.95 * len(values)) - 1]
    assert histogram.state().quantile(0.95) == pytest.approx(exact, rel=0.01)


def offer(reservoir, bucket, exemplar, draw):
    if reservoir.draws(bucket, draw):
        reservoir.keep(bucket, exemplar)


def test_exemplars_are_drawn_fairly_within_each_bucket():
    """Each of ten exemplars offered to a bucket stays equally often, and past the limit each bucket does (chi-square, fixed seed)."""
    draw = random.Random(5).randrange
    within, among = Counter(), Counter()
    for _ in range(4_000):
        reservoir = Reservoir()
        for number in range(10):
            offer(reservoir, 3, ExemplarPoint(1.0, 0, number, 1), draw)
            offer(reservoir, number % 4 + 10, ExemplarPoint(1.0, 0, number, 2), draw)
        taken = reservoir.take(100, draw)
        within.update(e.trace_id for e in taken if e.span_id == 1)
        for bucket in range(4):
            offer(reservoir, bucket, ExemplarPoint(1.0, 0, bucket, 1), draw)
        among.update(e.trace_id for e in reservoir.take(1, draw))
    assert sum((within[n] - 400) ** 2 / 400 for n in range(10)) < 21.67  # 9 degrees of freedom, 1 %
    assert sum((among[n] - 1000) ** 2 / 1000 for n in range(4)) < 11.34  # 3 degrees of freedom, 1 %


def test_weights_add_up_to_less_than_one():
    """Spans that stand for 1 1/3 each: three of them count for four, in whichever series they are."""
    connector = SpanMetricsConnector(SpanMetrics(), clock(), random.Random(1).randrange, "i")
    resource = Resource({"service.name": "a"})
    spans = [Span(1, n, trace_state="ot=th:4", resource=resource) for n in range(1, 301)]
    connector.record(spans)
    (found,) = connector.collect(last=True)
    calls = next(metric for metric in found.metrics if metric.name.endswith("calls"))
    assert [point.value for point in calls.points] == [400]


def test_delta_intervals_follow_each_other_and_a_reset_starts_anew():
    """The next interval of a delta series begins where its last one ended; an expired cumulative one begins with its next span."""
    now, resource = clock(), Resource({"service.name": "a"})
    delta = SpanMetricsConnector(SpanMetrics(delta=True), now, random.Random(1).randrange, "i")
    expiring = SpanMetricsConnector(SpanMetrics(series_expiration_ns=10), now, random.Random(1).randrange, "i")
    seen = []
    for step in range(3):
        for connector in (delta, expiring):
            connector.record([Span(1, 1, resource=resource)])
        now.advance(ns=5)
        if step == 2:
            now.advance(ns=100)
        points = [c.collect()[0].metrics[0].points[0] for c in (delta, expiring)]
        seen.append([(p.start_ns - 10**18, p.time_ns - 10**18, p.value) for p in points])
    assert [interval for interval, _ in seen] == [(0, 5, 1), (5, 10, 1), (10, 115, 1)]
    assert [interval for _, interval in seen] == [(0, 5, 0), (0, 10, 2), (0, 115, 3)]
    assert expiring.collect()[0].metrics[0].points == []
    expiring.record([Span(1, 1, resource=resource)])
    (point,) = expiring.collect()[0].metrics[0].points
    assert (point.start_ns - 10**18, point.value) == (115, 0)
    (point,) = expiring.collect()[0].metrics[0].points
    assert (point.start_ns - 10**18, point.value) == (115, 1)


def test_the_last_collection_loses_nothing():
    """A series that begins just before the end reports its count, since no later point would."""
    connector = SpanMetricsConnector(SpanMetrics(), clock(), random.Random(1).randrange, "i")
    connector.record([Span(1, 1, resource=Resource({"service.name": "a"}))] * 3)
    calls, durations = connector.collect(last=True)[0].metrics
    assert [calls.points[0].value, durations.points[0].value.count] == [3, 3]


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_jumps_of_the_wall_clock_neither_expire_what_is_counted_nor_hide_it(jump_s):
    """Expiration and `changed` go by the monotonic clock, as the Collector's do: Go compares times by theirs."""
    clock, resource = FakeClock(), Resource({"service.name": "a"})
    settings = SpanMetrics(expiration_ns=300 * 10**9, series_expiration_ns=300 * 10**9)
    connector = SpanMetricsConnector(settings, clock, random.Random(1).randrange, "i")
    connector.record([Span(1, 1, resource=resource)])
    since_ns = clock.monotonic_ns()
    clock.jump(jump_s)
    clock.advance(1)
    connector.record([Span(2, 2, resource=resource)])
    (changed,) = connector.changed(since_ns)
    assert [point.value for point in changed.metrics[0].points] == [2]
    connector.collect()
    assert [point.value for point in connector.collect()[0].metrics[0].points] == [2]
    clock.jump(-jump_s)
    clock.advance(299)
    connector.collect()
    assert [point.value for point in connector.collect()[0].metrics[0].points] == [2]
    clock.advance(1)
    connector.collect()
    assert connector.collect() == []
