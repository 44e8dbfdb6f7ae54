"""The compiled modules under hostile senders and callers: no read past an end, no quadratic time, no unbounded growth."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otel_fe import compiled
from otel_fe.pipeline.decision_cache import DecisionCache, PlainDecisionCache, key_of, plain_key_of
from otel_fe.wire.fields import delimited
from otel_fe.wire.span import WireSpan
from tests.properties.encoded_spans import SPAN_IDS, parsed, read, series, source

pytestmark = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")

MIX = 0x9E3779B97F4A7C15


@pytest.mark.parametrize(("kind", "key"), [(DecisionCache, key_of), (PlainDecisionCache, plain_key_of)])
def test_ids_that_were_made_to_share_a_place_do_not(kind, key):
    """Ids chosen to collide (senders choose ids, and the multiplicative hash is easily inverted) still spread over the table."""
    undo = pow(MIX, -1, 1 << 64)
    remembered = kind(10_000)
    for number in range(1, 5_001):
        remembered[key((number << 34) * undo % (1 << 64))] = "a decision"
    assert len(remembered) == 5_000
    assert remembered.longest < 1_000


@pytest.mark.parametrize("key", [0, 1, 0xFFFF, (5 << 16) + 3])
def test_a_key_has_room_for_the_number_of_its_decision(key):
    """A key without room for its decision's number is refused: the number would name another decision, or none."""
    remembered = compiled.backend.DecisionCache(10)
    with pytest.raises(ValueError, match="no key of a trace"):
        remembered[key] = "a decision"
    assert len(remembered) == 0


def test_a_key_may_have_all_its_bits():
    """A key of 64 bits works: an index would have only 63."""
    remembered = compiled.backend.DecisionCache(10)
    remembered[0xFFFFFFFFFFFF0000] = "a decision"
    assert remembered[0xFFFFFFFFFFFF0000] == "a decision"


def test_more_than_fits_into_memory_is_not_remembered():
    """The size of the table was looked for without an end."""
    with pytest.raises(ValueError, match="cannot be remembered"):
        compiled.backend.DecisionCache(1 << 62)


def test_a_name_does_not_run_into_what_follows():
    """A name may hold any byte: this one ends like another span's kind, status, and the beginning of its attribute."""
    tail = (
        b"\x00" + b"\x00\x00" + b"\x00\x02\x10\x01"
    )  # an end, no kind, no status, and an attribute of two bytes that is true
    text = delimited(1, tail)
    name = b"x\x00\x00\x00" + len(text).to_bytes(2, "big") + text[: -len(tail)]
    first, second = parsed(
        SPAN_IDS + delimited(5, b"x") + delimited(9, delimited(1, b"a") + delimited(2, text)),
        SPAN_IDS + delimited(5, name) + delimited(9, delimited(1, b"a") + delimited(2, b"\x10\x01")),
    )
    finder = compiled.backend.Finder(["a"])
    finder.learn(first, series())
    assert finder.find(first) is not None
    assert finder.find(second) is None


def test_what_is_remembered_of_series_counts_their_edges():
    """A series' edges are part of `remembered_bytes()`: a thousand of them once took sixty times the counted memory."""
    finder = compiled.backend.Finder([])
    before = compiled.backend.remembered_bytes()
    finder.learn(*parsed(SPAN_IDS), series(tuple(range(1_000))))
    assert compiled.backend.remembered_bytes() - before > 2 * 8 * 1_000
    finder.clear()
    assert compiled.backend.remembered_bytes() == before


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Picker", (["a"], "t")),
        ("Finder", (["a"],)),
        ("Counter", (["a"] * 9, {"b": "c"}, 1, 1)),
        ("DecisionCache", (1,)),
        ("Segments", (bytes, bytes, 1, 1)),
    ],
)
def test_nothing_is_there_that_was_not_made(kind, arguments):
    """An object without its fields cannot be made: its first call would end the process."""
    made = getattr(compiled.backend, kind)
    made(*arguments)
    with pytest.raises(TypeError):
        made.__new__(made)


def test_no_traces_wait_without_what_they_need():
    """Segments for their spans, above all."""
    segments = compiled.backend.Segments(bytes, bytes, 1, 1)
    made = compiled.backend.Waiting
    word = ((), (), (), None)
    made([word], WireSpan, 1, 1, 1, 1, 0, False, (), 1, segments)
    for missing in ([], [[word], WireSpan, 1, 1, 1, 1, 0, False, (), 1, None]):
        with pytest.raises(TypeError):
            made(*missing)
    with pytest.raises(ValueError, match="policies without a word for their bits"):
        made([], WireSpan, 1, 1, 1, 1, 0, False, (), 1, segments)


def test_bytes_that_were_exchanged_have_not_been_read():
    """The new ones may be shorter than where its attributes were."""
    (span,) = parsed(SPAN_IDS + delimited(9, delimited(1, b"a") + delimited(2, delimited(1, b"text"))))
    pick = compiled.backend.Picker(["a"], "t")
    assert pick(span) == ["text"]
    span.raw = b""
    assert pick(span) is None


@pytest.mark.parametrize("field", ["name", "trace_state"])
def test_a_span_without_a_text_is_read_the_plain_way(field):
    """A span without a text, or without its bytes, is read in Python."""
    (span,) = parsed(SPAN_IDS)
    setattr(span, field, None)
    finder = compiled.backend.Finder([])
    for one in (span, WireSpan()):
        finder.learn(one, series())
        assert finder.find(one) is None


def test_a_name_that_was_exchanged_is_the_one_that_counts():
    """Whatever the bytes say: a copy may be changed."""
    (span,) = parsed(SPAN_IDS + delimited(5, b"before"))
    finder = compiled.backend.Finder([])
    finder.learn(span, series())
    span.name = "after"
    assert finder.find(span) is None


def test_a_span_that_is_exchanged_while_it_is_asked_about_is_read_as_it_is_then():
    """A span that is replaced during a callback is read anew: its earlier bytes and name may be gone."""
    finder, short = compiled.backend.Finder([]), SPAN_IDS + delimited(5, b"a")
    finder.learn(*parsed(short), series())

    class Exchanging:
        def __hash__(self):
            if spans:
                spans[0].raw = short
            return 1

    spans = []
    resource = Exchanging()
    sources = {resource: source(finder)}
    for count in (compiled.backend.record, compiled.backend.drawn):
        spans = parsed(short)
        spans[0].resource = resource
        found = count(spans, sources, 1)
        assert found in (spans, (spans, [])), "nobody has read the new bytes"


def test_a_series_without_room_for_its_edges_does_not_lose_the_others():
    """All that have waited are settled, or go on waiting; none is forgotten."""
    spans = parsed(SPAN_IDS + delimited(5, b"broken"), SPAN_IDS + delimited(5, b"sound"))
    broken, sound = series(), series()
    finder = compiled.backend.Finder([])
    for span, its in zip(spans, (broken, sound), strict=True):
        finder.learn(span, its)
    buckets, broken.aggregate.buckets = broken.aggregate.buckets, []
    sources = {"resource": source(finder)}
    for span in spans:
        span.resource = "resource"
    with pytest.raises(ValueError, match="0 buckets, and 1 edges"):
        compiled.backend.record(spans, sources, 1)
    broken.aggregate.buckets = buckets
    assert compiled.backend.record(spans, sources, 2) == []
    assert (broken.aggregate.count, sound.aggregate.count) == (2, 2)


@pytest.mark.parametrize("by_batch", [True, False])
def test_what_was_counted_before_somebody_failed_is_counted(by_batch):
    """Counts before a failing callback are added at once, not with the series' next span."""
    finder, one = compiled.backend.Finder([]), series()
    finder.learn(*parsed(SPAN_IDS), one)
    resources = {delimited(3, b"a"): "a", delimited(3, b"b"): "b"}
    payload = b"".join(delimited(1, frame + delimited(2, delimited(2, SPAN_IDS))) for frame in resources)
    spans = read(payload, resources=resources).spans
    sources = {"a": source(finder), "b": SimpleNamespace()}
    with pytest.raises(AttributeError):
        compiled.backend.record(spans if by_batch else list(spans), sources, 7)
    assert (one.aggregate.count, one.seen_ns) == (1, 7)


def test_a_counted_histogram_has_a_bucket_for_every_edge():
    histogram = SimpleNamespace(edges=(1, 2), buckets=[0, 0], total=0, least=0, most=0)
    odd = SimpleNamespace(duration=histogram, memory_growth=histogram, cpu_time=histogram, pool_wait=histogram)
    counter = compiled.backend.Counter([f"a{n}" for n in range(9)], {"cpu": "time.cpu"}, 1, 1)
    with pytest.raises(ValueError, match="2 buckets, and 2 edges"):
        counter.learn(*parsed(SPAN_IDS), _Hashable(odd))


class _Hashable:
    """Stands for a series; `SimpleNamespace` has no hash."""

    def __init__(self, of):
        self.__dict__.update(vars(of))
