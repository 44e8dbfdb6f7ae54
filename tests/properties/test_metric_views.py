"""Whatever views and readers ask for, our streams hold what a stock SDK's hold that is given the same values."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    SumAggregation,
    View,
)

from otel_fe import semconv
from tests.effort import examples
from tests.properties.stock_metrics import Pair, figures

NS = st.sampled_from([0, 1, 100_000_000]) | st.integers(0, 400_000_000_000)
EXTRACTIONS = st.builds(
    figures,
    feature_set=st.sampled_from(["a", "b"]),
    duration_ns=NS,
    cpu_ns=st.just(-1) | NS,
    pool_wait_ns=st.none() | NS,
    growth=st.integers(-(2**20), 2**33),
    hits=st.lists(st.booleans(), max_size=3).map(tuple),
    error=st.sampled_from(["", "ValueError"]),
)
AGGREGATIONS = st.one_of(
    st.none(),
    st.just(DropAggregation()),
    st.just(SumAggregation()),
    st.just(LastValueAggregation()),
    st.builds(
        ExplicitBucketHistogramAggregation, st.none() | st.sampled_from([(0.1,), (0.0, 1.0, 10.0)]), st.booleans()
    ),
    # With fewer buckets, and zeros alone in the first interval, the SDK (1.45) raises "Incorrect merge scale".
    st.builds(ExponentialBucketHistogramAggregation, st.sampled_from([64, 160]), st.sampled_from([0, 5, 20])),
)
KEYS = st.none() | st.sets(st.sampled_from([semconv.FEATURE_SET, semconv.ERROR_TYPE, semconv.CACHE_HIT, "other"]))
HISTOGRAM_VIEWS = st.builds(
    lambda instrument, **asked: View(instrument_type=Histogram, instrument_name=instrument, **asked),
    st.sampled_from([semconv.DURATION, semconv.CPU_TIME_METRIC, semconv.MEMORY_GROWTH_METRIC.upper()]),
    # Streams with the same name could not be distinguished.
    name=st.integers(0, 10**6).map("stream_{}".format),
    description=st.sampled_from([None, "Other words."]),
    attribute_keys=KEYS,
    aggregation=AGGREGATIONS,
)
COUNTER_VIEWS = st.builds(
    lambda **asked: View(instrument_type=Counter, instrument_name=semconv.CACHE_LOOKUPS_METRIC, **asked),
    name=st.integers(0, 10**6).map("counter_{}".format),
    attribute_keys=KEYS,
    aggregation=st.sampled_from([None, SumAggregation(), DropAggregation()]),
)
PREFERRED = st.sampled_from([DefaultAggregation(), ExponentialBucketHistogramAggregation(), DropAggregation()])


@settings(max_examples=examples(60), deadline=None)
@given(
    views=st.lists(HISTOGRAM_VIEWS | COUNTER_VIEWS, max_size=3, unique_by=lambda view: view._name),
    delta=st.booleans(),
    preferred=PREFERRED,
    intervals=st.lists(st.lists(EXTRACTIONS, max_size=8), min_size=1, max_size=3),
)
def test_streams_are_those_of_a_stock_sdk(views, delta, preferred, intervals):
    """Names, descriptions, attributes, buckets, sums and extremes; in every interval, delta and cumulative."""
    pair = Pair(views, delta=delta, preferred={Histogram: preferred})
    try:
        for extractions in intervals:
            pair.count(*extractions)
            ours, stock = pair.collected()
            assert ours == stock
    finally:
        pair.close()
