"""Invariants for every input: histograms, SLOs, attribution, sampling probabilities."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from otel_fe.model import probability, trace_state
from otel_fe.model.histogram import Exemplar, Histogram
from otel_fe.model.measurements import Measurements
from otel_fe.pipeline import attribution, requirement_slos
from otel_fe.pipeline.extraction_series import SLO_NAMES, Dimensions, ExtractionSeries

EDGES = (0, 10, 25, 100)


@given(st.lists(st.integers(-50, 200)), st.lists(st.integers(-50, 200)))
def test_a_histogram_counts_like_a_naive_one(first, second):
    """An edge belongs to the bucket below it; sums, extremes and differences are exact."""
    histogram = Histogram(EDGES)
    for value in first:
        histogram.record(value)
    before = histogram.state()
    for value in second:
        histogram.record(value) if value else histogram.record_zero()
    after = histogram.state()
    bounds = [-math.inf, *EDGES, math.inf]
    values = first + second
    assert after.buckets == tuple(
        sum(low < value <= high for value in values) for low, high in zip(bounds, bounds[1:], strict=False)
    )
    assert (after.count, after.total) == (len(values), sum(values))
    assert (after.least, after.most) == ((min(values), max(values)) if values else (None, None))
    assert ((after - before).count, (after - before).total) == (len(second), sum(second))


def test_exemplars_are_drawn_fairly():
    """Each of ten exemplars offered to a bucket stays equally often (chi-square, fixed seed)."""
    draw = random.Random(5).randrange
    kept = [0] * 10
    for _ in range(5_000):
        histogram = Histogram(EDGES)
        for number in range(10):
            if histogram.draws_exemplar(5, draw):
                histogram.keep_exemplar(Exemplar(5, number, number, number))
        kept[histogram.exemplars[1].time_ns] += 1
    assert sum((count - 500) ** 2 / 500 for count in kept) < 21.67  # 9 degrees of freedom, 1 %


@given(
    st.integers(0, 300_000_000),
    st.sampled_from(["", "ValueError"]),
    st.integers(-(10**9), 3 * 10**9),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_the_written_out_requirements_are_those_of_the_definition(duration, error, growth, hits, misses):
    """`ExtractionSeries.record` and `breached_by` agree with `slo.REQUIREMENTS` on every extraction."""
    figures = Measurements()
    figures.duration_ns, figures.error_type, figures.memory_growth_bytes = duration, error, growth
    figures.cache_hits, figures.cache_lookups = hits, hits + misses
    series = ExtractionSeries(Dimensions("", None, "", ""))
    series.record(figures)
    assert tuple(requirement.name for requirement in requirement_slos.REQUIREMENTS) == SLO_NAMES
    for index, requirement in enumerate(requirement_slos.REQUIREMENTS):
        good = requirement.good(figures)
        assert (series.slo_good[index], series.slo_bad[index]) == (int(good is True), int(good is False))
    expected = tuple(r.name for r in requirement_slos.REQUIREMENTS if r.breached_by_one and r.good(figures) is False)
    assert requirement_slos.breached_by(figures) == expected


_BY_PRECEDENCE = {
    # Not waiting any more, but not running either; then what was measured; then what was only seen in the stack.
    **{name: name for name in ("gc", "event_loop", "cpu_throttled", "cpu_wait", "gil", "pool_wait", "cache_miss")},
    "cache_hit": "downstream",
    "gpu": "gpu",
    "downstream": "downstream",
    **{name: name for name in ("import", "page_faults", "disk", "subprocess", "lock", "sleep", "native_threads")},
    "seen_call": "downstream",
    "seen_cpu": "cpu",
}
_CAUSES = st.sampled_from(list(_BY_PRECEDENCE))


@given(
    st.integers(0, 20),
    st.integers(0, 40),
    st.lists(st.tuples(_CAUSES, st.integers(-5, 70), st.integers(-5, 70)), max_size=8),
    st.integers(-1, 60),
)
def test_attribution_adds_up_and_agrees_with_counting_each_nanosecond(start, duration, intervals, cpu_ns):
    """Parts are never negative, add up to the duration, and are what a look at every single ns gives."""
    end = start + duration
    split = attribution.attribute(start, end, intervals, cpu_ns)
    assert sum(split.values()) == duration
    assert min(split.values()) >= 0
    naive = dict.fromkeys(attribution.CAUSES, 0)
    own = 0
    for now in range(start, end):
        here = {cause for cause, first, last in intervals if first <= now < last}
        first = next((cause for cause in _BY_PRECEDENCE if cause in here), None)
        if first is not None:
            naive[_BY_PRECEDENCE[first]] += 1
        else:
            own += 1
    explained = min(own, max(0, cpu_ns))
    naive["cpu"] += explained
    naive["unexplained"] += own - explained
    assert split == naive
    assert set(split) - {"unexplained"} == set(_BY_PRECEDENCE.values())
    ordered = list(attribution.pieces(start, end, intervals))
    assert [first for _, first, _ in ordered] + [end] == [start, *(last for *_, last in ordered)], "no gap, no overlap"


@given(st.floats(1e-9, 1.0))
def test_thresholds_keep_their_ratio_and_survive_their_encoding(ratio):
    """Four significant digits are enough for one part in a thousand, and `th` reads back as it was written."""
    threshold = probability.threshold_of(ratio)
    assert probability.decode(probability.encode(threshold)) == threshold
    kept = (probability.NEVER - threshold) / probability.NEVER
    assert math.isclose(kept, ratio, rel_tol=1e-3)


@given(st.integers(0, probability.NEVER - 1), st.integers(0, probability.NEVER - 1))
def test_th_is_only_ever_raised_and_everything_else_stays(before, threshold):
    """`rv`, what other versions may add, and other vendors' entries are kept."""
    text = f"a=1,ot=rv:00000000000001;th:{probability.encode(before)};zz:1,b=2"
    after = trace_state.stamped(text, threshold)
    assert trace_state.sampling(after) == (max(before, threshold), 1)
    assert {key: value for key, value in trace_state.members(after) if key != "ot"} == {"a": "1", "b": "2"}
    assert ";zz:1" in after
    assert (after == text) == (threshold < before or text.startswith("ot="))
    assert trace_state.stamped("", threshold) == f"ot=th:{probability.encode(threshold)}"


def test_an_unknown_probability_erases_th():
    """A wrong weight would be worse than none; an entry that only held it goes."""
    assert trace_state.stamped("ot=th:8;rv:00000000000001,a=1", None) == "ot=rv:00000000000001,a=1"
    assert trace_state.stamped("a=1,ot=th:8", None) == "a=1"
    assert trace_state.stamped("a=1", None) == "a=1"


@given(st.text(max_size=60))
def test_a_tracestate_that_cannot_be_read_is_left_alone(text):
    """An unreadable `tracestate` raises no error and stays unchanged; a stamped one can be read back."""
    after = trace_state.stamped(text, 1 << 55)
    if after is None:
        assert trace_state.members(text) is None or "ot=" in text
    else:
        assert trace_state.sampling(after).threshold >= 1 << 55


def test_adjusted_counts_estimate_without_bias():
    """Kept traces, each with its weight, count what there was: within three standard deviations of 100 000."""
    ids = random.Random(11)
    threshold = probability.threshold_of(0.05)
    total = 100_000
    kept = sum(probability.randomness(ids.getrandbits(128)) >= threshold for _ in range(total))
    estimate = kept * probability.adjusted_count(threshold)
    assert abs(estimate - total) < 3 * math.sqrt(total * 0.95 / 0.05)


def test_known_thresholds():
    """The values of the specification and of the Collector."""
    assert probability.encode(probability.threshold_of(1.0)) == "0"
    assert probability.encode(probability.threshold_of(0.5)) == "8"
    assert probability.encode(probability.threshold_of(0.05)) == "f3333"
    assert probability.randomness(1, "rv:80000000000000") == 1 << 55
