"""Extractions counted in C, against the plain way: the same counts, sums and exemplars, of all that OTLP can say."""

from __future__ import annotations

import gc
import random
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_fe import compiled, semconv
from otel_fe.collector.graph import derived
from otel_fe.collector.graph.derived import Derived
from otel_fe.model.span import Span
from otel_fe.pipeline import extractions, received_metrics
from otel_fe.pipeline.extraction_series import SLO_NAMES
from otel_fe.pipeline.extractions import MEASURED, figures_of
from otel_fe.pipeline.received_metrics import ReceivedMetrics
from otel_fe.wire.decode import Decoder
from tests.properties.extractions import BATCHES, SPANS, encoded_span, request
from tests.properties.traffic import clock

pytestmark = pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
ENDS = {"start_ns": 10**18, "end_ns": 10**18 + 7_000_000}


@contextmanager
def plain():
    """Leave the compiled parts out, from the bytes to the series."""
    with (
        patch.object(compiled, "backend", None),
        patch.object(extractions, "_pick", extractions._picked),
        patch.object(extractions, "_extractions", extractions._plain_extractions),
    ):
        yield


def decoded(*spans):
    """Return spans of one service, of their encoded forms."""
    return list(Decoder().decode(request([(0, span) for span in spans])).spans)


def value(**kind):
    return AnyValue(**kind).SerializeToString()


def described(metrics):
    """Return all that metrics hold, in the order of their series; `repr` tells 1 from True and 1.0."""
    return [
        repr(
            (
                series.dimensions,
                (
                    series.cache_hits,
                    series.cache_misses,
                    series.slo_good,
                    series.slo_bad,
                    sorted(series.causes.items()),
                ),
                [
                    (one.buckets, one.total, one.least, one.most, one.exemplars, one.offered)
                    for one in (series.duration, series.memory_growth, series.cpu_time, series.pool_wait)
                ],
            )
        )
        for series in metrics.all_series()
    ]


def everything(one):
    """Return the same of every resource, in the order in which they would be forgotten."""
    return [(frame, described(source.metrics)) for frame, source in one._sources.items()]


@given(BATCHES, st.sampled_from([2_000, 2, 4]), st.sampled_from([500, 2]), st.booleans())
def test_extractions_are_counted_alike(batches, most_series, most_resources, by_batch):
    """Extractions are counted alike from bytes and from objects, at the limit of series and resources, and again when most are known."""
    batches = [*batches, *batches]
    with patch.object(derived, "_SERIES", most_series), patch.object(derived, "_RESOURCES", most_resources):
        found = Derived(clock(), random.Random(1).randrange)
        for batch in batches:
            spans = Decoder().decode(request(batch)).spans
            found.record(spans if by_batch else list(spans))
            found.offer(list(spans)[1::2])
        with plain():
            expected = Derived(clock(), random.Random(1).randrange)
            for batch in batches:
                spans = list(Decoder().decode(request(batch)).spans)
                expected.record(spans)
                expected.offer(spans[1::2])
    assert everything(found) == everything(expected)


def record(metrics, spans):
    """Count spans, all of them of one resource."""
    received_metrics.record(spans, lambda _: metrics)


def left(metrics, spans):
    """Count spans, and return those that C has left."""
    found = compiled.backend.counted(spans, semconv.SPAN_NAME, lambda _: metrics, received_metrics._is_counted)
    return [span for _, of_resource in found for span in of_resource]


def counted(spans, rounds=3):
    """Return what metrics hold after they counted the same spans some times over."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    for _ in range(rounds):
        record(metrics, spans)
    return described(metrics)


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "attributes"),
    [
        (0, 99_999_999, {}),
        (0, 100_000_000, {}),
        (0, 2**62 - 1, {}),
        (0, 2**62, {}),
        (0, 2**64 - 1, {}),
        (5, 3, {}),
        (0, 1, {semconv.ERROR_TYPE: value(string_value="")}),
        (0, 1, {semconv.ERROR_TYPE: value(string_value="E")}),
        (0, 1, {semconv.ERROR_TYPE: value(int_value=1)}),
        (0, 1, {semconv.MEMORY_GROWTH: value(int_value=10**9)}),
        (0, 1, {semconv.MEMORY_GROWTH: value(int_value=10**9 - 1)}),
        (0, 1, {semconv.MEMORY_GROWTH: value(double_value=5)}),
        (0, 1, {semconv.MEMORY_GROWTH: value(bool_value=True)}),
        (0, 1, {semconv.CPU_TIME: value(int_value=10**9), semconv.POOL_WAIT_TIME: value(int_value=10**9 - 1)}),
        (0, 1, {semconv.CPU_TIME: value(int_value=-1), semconv.POOL_WAIT_TIME: value(double_value=-1)}),
        (0, 1, {semconv.CPU_TIME: value(double_value=2.5e-9), semconv.POOL_WAIT_TIME: value(double_value=1e9)}),
        (0, 1, {semconv.CPU_TIME: value(double_value=float("nan")), semconv.POOL_WAIT_TIME: value(bool_value=True)}),
        (0, 1, {semconv.CACHE_LOOKUPS: value(int_value=2)}),
        (0, 1, {semconv.CACHE_HITS: value(int_value=2)}),
        (0, 1, {semconv.CACHE_HITS: value(int_value=2), semconv.CACHE_LOOKUPS: value(int_value=1)}),
        (0, 1, {semconv.CACHE_HITS: value(int_value=-2), semconv.CACHE_LOOKUPS: value(int_value=-2)}),
        (0, 10**9, {semconv.TIME["cpu"]: value(double_value=0.25), semconv.TIME["gc"]: value(double_value=0.5)}),
        (0, 10**9, {semconv.TIME["cpu"]: value(double_value=2), semconv.TIME["gc"]: value(double_value=0.5)}),
        (0, 10**9, {semconv.TIME["unexplained"]: value(double_value=0.5)}),
        (0, 10**9, {semconv.TIME["cpu"]: value(bool_value=True)}),
        (0, 10**9, {semconv.TIME["cpu"]: value(string_value="1")}),
        (0, 10**9, {semconv.TIME["cpu"]: value(double_value=0), semconv.TIME["gc"]: value(double_value=float("nan"))}),
        (0, 10**9, {"feature_extraction.time.else": value(double_value=0.5)}),
    ],
)
def test_edges_are_counted_alike(start_ns, end_ns, attributes):
    """Both implementations count durations at both sides of an edge alike."""
    span = encoded_span(start_ns=start_ns, end_ns=end_ns, attributes=attributes.items())
    found = counted(decoded(span))
    with plain():
        assert found == counted(decoded(span))


def test_extremes_of_what_was_counted_the_plain_way_stay():
    """The compiled counter keeps the least and the greatest duration that the plain one has counted."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    least, middle, most = decoded(*(encoded_span(end_ns=end_ns) for end_ns in (1, 5, 9)))
    for spans in ([least, most], [middle], [middle]):
        record(metrics, spans)
    (series,) = metrics.all_series()
    assert (series.duration.least, series.duration.most, series.duration.count) == (1, 9, 4)


def test_texts_are_told_apart_wherever_they_end():
    """Zeros among them, too."""
    pairs = (("a\0\0b", ""), ("a", "b\0\0"), ("", "a\0\0b"))
    spans = decoded(
        *(
            encoded_span(
                attributes=[(semconv.FEATURE_SET, value(string_value=a)), (semconv.LIBRARY, value(string_value=b))]
            )
            for a, b in pairs
        )
    )
    metrics = ReceivedMetrics(100, lambda _: 0)
    for _ in range(2):
        record(metrics, spans)
    assert [series.duration.count for series in metrics.all_series()] == [2, 2, 2]


@given(SPANS)
def test_a_known_series_is_that_of_the_figures(span):
    """A series found by a span's bytes is the one that its dimensions name."""
    (one,) = decoded(span)
    metrics = ReceivedMetrics(100, lambda _: 0)
    record(metrics, [one])
    assert metrics._counter.find(one) in {None, metrics.series_of(figures_of(one))}


def test_spans_of_several_resources_are_counted_with_their_own():
    """Spans of a resource are counted with it, adjacent or interleaved with others'; a clock that was set back counts as 0."""
    one = Derived(clock(), lambda _: 0)
    for _ in range(2):
        services = [(1, encoded_span(start_ns=9, end_ns=7)), (2, encoded_span(end_ns=5)), (1, encoded_span(end_ns=3))]
        spans = list(Decoder().decode(request(services)).spans)
        one.record(spans)
        one.offer(spans)
    found = [series for source in one._sources.values() for series in source.metrics.all_series()]
    assert [(series.duration.count, series.duration.total, series.duration.most) for series in found] == [
        (2, 10, 5),
        (4, 6, 3),
    ]
    assert [[exemplar.value for exemplar in series.duration.exemplars if exemplar] for series in found] == [[5], [3]]
    one.offer(spans[:1])
    assert [exemplar.value for exemplar in found[1].duration.exemplars if exemplar] == [0]


USUAL = [
    (semconv.FEATURE_SET, value(string_value="a")),
    (semconv.LIBRARY, value(bool_value=True)),
    (semconv.ERROR_TYPE, b"\x0a\x02\xff\xfe"),
    (semconv.CACHE_LOOKUPS, value(int_value=300)),
    (semconv.CACHE_HITS, value(int_value=400)),
    (semconv.MEMORY_GROWTH, value(int_value=-5)),
    (semconv.CACHE_TIME, value(bytes_value=b"any")),
    (semconv.POOL_WAIT_TIME, value(string_value="long")),
    (semconv.CPU_TIME, value(double_value=0.25)),
]


def test_a_usual_extraction_is_counted_in_c():
    """The tests above would pass if nothing were. What no metric is made of does not matter, nor does a shrunk process."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    one, other = decoded(encoded_span(attributes=USUAL, **ENDS), encoded_span("feature_extraction x", "a=b"))
    assert left(metrics, [one, other]) == [one, other], "nothing is known yet"
    record(metrics, [one, other])
    assert left(metrics, [one, other, one]) == []
    first, second = metrics.all_series()
    assert first.dimensions == ("a", True, "\ufffd\ufffd", "")
    assert (first.duration.count, first.duration.total, second.duration.count) == (3, 21_000_000, 2)
    assert (first.cpu_time.total, first.pool_wait.count, first.pool_wait.total) == (750_000_000, 3, 0)
    assert (first.memory_growth.count, first.memory_growth.total, first.cache_hits) == (3, 0, 900)
    assert (first.slo_good, first.slo_bad) == ([3, 3, 0, 3], [0, 0, 3, 0])
    assert len(SLO_NAMES) == len(first.slo_good) == 4, "the order that is compiled in"


@pytest.mark.parametrize(
    ("name", "unusual"),
    [
        (semconv.POOL_WAIT_TIME, value(bool_value=True)),
        (semconv.CPU_TIME, b""),
        (semconv.MEMORY_GROWTH, value(int_value=2**62)),
        (semconv.CACHE_HITS, value(int_value=-1)),
        (semconv.CPU_TIME, b"\x18" + b"\xff" * 9 + b"\x02"),
        (semconv.FEATURE_SET, value(string_value="x" * 2_050)),
        (semconv.ERROR_TYPE, value(bytes_value=b"")),
    ],
)
def test_what_is_unusual_is_counted_the_plain_way(name, unusual):
    """Each time."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    (span,) = decoded(encoded_span(attributes=[(name, unusual)], **ENDS))
    for _ in range(2):
        record(metrics, [span])
        assert left(metrics, [span]) == [span]
    assert [series.duration.count for series in metrics.all_series()] == [2]


def test_a_series_that_cannot_be_settled_does_not_lose_the_others():
    """The other series are updated with the next request; before, they never were again."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    spans = decoded(*(encoded_span(attributes=[(semconv.FEATURE_SET, value(string_value=x))], **ENDS) for x in "ab"))
    record(metrics, spans)
    broken, sound = metrics.all_series()
    total, broken.duration.total = broken.duration.total, None
    with pytest.raises(TypeError):
        record(metrics, spans)
    broken.duration.total = total
    record(metrics, spans)
    assert [one.duration.total for one in (broken, sound)] == [21_000_000, 21_000_000]


@pytest.mark.parametrize("by_batch", [True, False])
def test_what_was_counted_before_somebody_failed_is_counted(by_batch):
    """Counts before a failing callback are added at once, not with the series' next extraction."""
    metrics, asked = ReceivedMetrics(100, lambda _: 0), []
    spans = Decoder().decode(request([(1, encoded_span(**ENDS)), (2, encoded_span(**ENDS))])).spans
    record(metrics, spans)

    def metrics_of(resource):
        asked.append(resource)
        return {1: metrics}[len(asked)]

    with pytest.raises(KeyError):
        received_metrics.record(spans if by_batch else list(spans), metrics_of)
    (series,) = metrics.all_series()
    assert (series.duration.count, series.duration.total, series.slo_good[0]) == (3, 21_000_000, 3)


def test_sums_grow_beyond_64_bits():
    """Sums are exact beyond 64 bits, as Python's integers are."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    most, names = 2**62 - 1, (semconv.MEMORY_GROWTH, semconv.CACHE_LOOKUPS, semconv.CACHE_HITS)
    growth, lookups, hits = ((name, value(int_value=most)) for name in names)
    kinds = ({"end_ns": most, "attributes": [growth]}, {"attributes": [lookups, hits]}, {"attributes": [lookups]})
    spans = decoded(*(encoded_span(**kind) for kind in kinds))
    record(metrics, spans)
    assert left(metrics, spans * 9) == []
    totals = [
        (series.duration.total, series.memory_growth.total, series.cache_hits, series.cache_misses)
        for series in metrics.all_series()
    ]
    assert totals == [(10 * most, 10 * most, 0, 0), (0, 0, 10 * most, 0), (0, 0, 0, 10 * most)]


def test_what_no_longer_fits_is_folded_into_one_and_not_remembered():
    """Values that may never come twice would fill the memory; what was known before goes on."""
    metrics = ReceivedMetrics(3, lambda _: 0)
    spans = decoded(*(encoded_span(attributes=[(semconv.ERROR_TYPE, value(string_value=f"{n}"))]) for n in range(9)))
    before = compiled.backend.remembered_bytes()
    record(metrics, spans[:2])
    held = compiled.backend.remembered_bytes()
    for _ in range(2):
        record(metrics, spans)
    assert [series.duration.count for series in metrics.all_series()] == [3, 3, 14]
    assert left(metrics, spans) == spans[2:]
    assert before < held == compiled.backend.remembered_bytes()


def test_an_observer_sees_every_extraction():
    """An observer sees extractions of known series too; after it has gone, they are counted in C again."""
    metrics, seen = ReceivedMetrics(100, lambda _: 0), []
    spans = decoded(encoded_span(attributes=USUAL, **ENDS)) * 3
    record(metrics, spans)
    metrics.observe(lambda figures: seen.append(figures.duration_ns))
    record(metrics, spans)
    assert seen == [7_000_000] * 3
    metrics.observe(None)
    record(metrics, spans)
    assert len(seen) == 3
    assert [series.duration.count for series in metrics.all_series()] == [9]


def test_what_is_remembered_is_bounded_and_given_back():
    """The cache is bounded over all resources and released with a forgotten one; uncached series are counted as well."""
    gc.collect()  # what tests before have left, whose errors hold it
    before = compiled.backend.remembered_bytes()
    with patch.object(derived, "_RESOURCES", 1):
        one, counter = Derived(clock(), lambda _: 0), compiled.backend.Counter(MEASURED, received_metrics._TOLD, 1, 1)
        span = encoded_span(attributes=[(semconv.ERROR_TYPE, value(string_value="E"))])
        one.record(Decoder().decode(request([(1, span)])).spans)
        assert compiled.backend.remembered_bytes() > before
        (source,) = one._sources.values()
        (series,) = source.metrics.all_series()
        for batch in range(60):
            names = (f"{batch}-{n}-{'x' * 1_900}" for n in range(300))
            for each in decoded(*(encoded_span(attributes=[(semconv.LIBRARY, value(string_value=x))]) for x in names)):
                counter.learn(each, series)
        assert 30 << 20 < compiled.backend.remembered_bytes() <= 32 << 20
        new, known = decoded(encoded_span("feature_extraction b"), span)
        one.record([known, new, new])
        assert source.metrics is not next(iter(one._sources.values())).metrics, "the resource is another"
        one.record([known, new, known])
        (source,) = one._sources.values()
        assert [series.duration.count for series in source.metrics.all_series()] == [3, 3]
        del counter, source
        one.record(Decoder().decode(request([(2, span)])).spans)
    assert compiled.backend.remembered_bytes() - before < 1_000
    one._sources.clear()
    assert compiled.backend.remembered_bytes() == before


def test_names_that_are_too_few_are_refused():
    """Too few names are refused: the counter would read beyond them."""
    with pytest.raises(ValueError, match="8 names, not 9"):
        compiled.backend.Counter(MEASURED[1:], received_metrics._TOLD, 1, 1)


def test_other_spans_are_counted_the_plain_way():
    """Spans of other kinds than the wire's are counted in Python."""
    metrics, span = ReceivedMetrics(100, lambda _: 0), Span(1, 2, name=semconv.SPAN_NAME)
    record(metrics, [span])
    assert left(metrics, [span]) == [span]


@pytest.mark.parametrize("by_batch", [True, False])
def test_one_that_says_how_it_was_sampled_was_counted_there(by_batch):
    """Another `tracestate` says nothing about sampling, and does not keep the span from being counted in C."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    payload = request(
        [(0, encoded_span("feature_extraction a", state)) for state in ("", "a=b", "ot=th:8", "a=b,ot=th:0")]
    )
    for _ in range(2):
        spans = Decoder().decode(payload).spans
        record(metrics, spans if by_batch else list(spans))
    assert [series.duration.count for series in metrics.all_series()] == [4]
    assert left(metrics, Decoder().decode(payload).spans) == []


SLOW = [*USUAL, (semconv.TIME["cpu"], value(double_value=0.004)), (semconv.TIME["gc"], value(double_value=0.001))]


def test_where_the_time_of_slow_extractions_went_is_counted_in_c():
    """Causes are added up without rounding; time without a cause is unexplained, and a span without causes adds nothing."""
    metrics = ReceivedMetrics(100, lambda _: 0)
    slow, usual = decoded(encoded_span(attributes=SLOW, **ENDS), encoded_span(attributes=USUAL, **ENDS))
    record(metrics, [slow])
    assert left(metrics, [slow, usual, slow]) == []
    (series,) = metrics.all_series()
    assert series.causes == {"cpu": 12_000_000, "gc": 3_000_000, "unexplained": 6_000_000}
    assert (series.duration.count, sum(series.causes.values())) == (4, 3 * 7_000_000)
