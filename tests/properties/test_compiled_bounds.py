"""What is compiled, and what no sender and no caller may do to it: read past an end, take time by the square, grow without a bound."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from otel_fe import compiled
from otel_fe.collector.wire.batch import Trace
from otel_fe.collector.wire.decode import Decoder
from otel_fe.collector.wire.fields import delimited
from otel_fe.collector.wire.span import WireSpan
from otel_fe.pipeline.remembered import PlainRemembered, Remembered, key_of, plain_key_of
from otel_fe.pipeline.span_metrics.aggregates import ExplicitDurations
from otel_fe.pipeline.span_metrics.series import Series

pytestmark = pytest.mark.skipif(compiled.spans is None, reason="not compiled, or switched off")

MIX = 0x9E3779B97F4A7C15
SPAN_IDS = delimited(1, b"t" * 16) + delimited(2, b"s" * 8)


def payload_of(*spans):
    """Return a request with one scope, whose encoded spans are given."""
    return delimited(1, delimited(2, b"".join(delimited(2, span) for span in spans)))


def read(payload, kind=WireSpan, trace_kind=Trace, resources=None):
    """Return what C makes of a request."""
    decoder = Decoder()
    return compiled.spans.batch_of(payload, resources or decoder.resources, decoder.scopes, kind, trace_kind)


def parsed(*spans):
    """Return spans, encoded, as objects."""
    return list(read(payload_of(*spans)).spans)


def encoded(number):
    """Return a span of a trace of its own."""
    return delimited(1, number.to_bytes(16, "big")) + delimited(2, b"s" * 8)


def series(edges=(10,)):
    return Series(ExplicitDurations(edges, 1), {}, 0)


def test_many_traces_and_scopes_take_no_time_by_their_product():
    """A hundred thousand scopes fit into a request, and as many traces: each scope looking at each trace would take a minute."""
    scopes = [delimited(2, delimited(2, encoded(1 + n)) + delimited(2, encoded(99_999 - n))) for n in range(40_000)]
    begun_s = time.process_time()
    batch = read(delimited(1, b"".join(scopes)))
    assert time.process_time() - begun_s < 5
    assert batch.accepted == 80_000
    assert len(batch.traces) == 80_000


def test_ids_of_a_request_that_were_made_to_share_a_place_do_not():
    """With what the halves of an id are multiplied with known, and no other secret, all of these would begin at one place."""
    undo = pow(MIX, -1, 1 << 64)
    ids = [((number * undo % (1 << 64)) << 64) + (-number * undo % (1 << 64)) for number in range(1, 40_001)]
    begun_s = time.process_time()
    batch = read(payload_of(*(delimited(1, i.to_bytes(16, "big")) + delimited(2, b"s" * 8) for i in ids)))
    assert time.process_time() - begun_s < 5
    assert [trace.trace_id for trace in batch.traces] == ids


@pytest.mark.parametrize(("kind", "key"), [(Remembered, key_of), (PlainRemembered, plain_key_of)])
def test_ids_that_were_made_to_share_a_place_do_not(kind, key):
    """Whoever sends spans chooses their ids; the multiplication is undone easily, and all of these began at one place."""
    undo = pow(MIX, -1, 1 << 64)
    remembered = kind(10_000)
    for number in range(1, 5_001):
        remembered[key((number << 34) * undo % (1 << 64))] = "a decision"
    assert len(remembered) == 5_000
    assert remembered.longest < 1_000


@pytest.mark.parametrize("key", [0, 1, 0xFFFF, (5 << 16) + 3])
def test_a_key_has_room_for_the_number_of_its_decision(key):
    """It would be the number of another decision, or of none."""
    remembered = compiled.spans.Remembered(10)
    with pytest.raises(ValueError, match="no key of a trace"):
        remembered[key] = "a decision"
    assert len(remembered) == 0


def test_a_key_may_have_all_its_bits():
    """Where C is told that a key is a number, Python takes it for an index, which has one bit less."""
    remembered = compiled.spans.Remembered(10)
    remembered[0xFFFFFFFFFFFF0000] = "a decision"
    assert remembered[0xFFFFFFFFFFFF0000] == "a decision"


def test_more_than_fits_into_memory_is_not_remembered():
    """The size of the table was looked for without an end."""
    with pytest.raises(ValueError, match="cannot be remembered"):
        compiled.spans.Remembered(1 << 62)


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
    finder = compiled.spans.Finder(["a"])
    finder.learn(first, series())
    assert finder.find(first) is not None
    assert finder.find(second) is None


def test_what_is_remembered_of_series_counts_their_edges():
    """A thousand edges took sixty times what was told."""
    finder = compiled.spans.Finder([])
    before = compiled.spans.remembered_bytes()
    finder.learn(*parsed(SPAN_IDS), series(tuple(range(1_000))))
    assert compiled.spans.remembered_bytes() - before > 2 * 8 * 1_000
    finder.clear()
    assert compiled.spans.remembered_bytes() == before


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Picker", (["a"], "t")),
        ("Finder", (["a"],)),
        ("Counter", (["a"] * 9, 1, 1)),
        ("Remembered", (1,)),
        ("Decider", ((), 1, 1)),
    ],
)
def test_nothing_is_there_that_was_not_made(kind, arguments):
    """Without its fields, the first call would end the process."""
    made = getattr(compiled.spans, kind)
    made(*arguments)
    with pytest.raises(TypeError):
        made.__new__(made)


def test_bytes_that_were_exchanged_have_not_been_read():
    """The new ones may be shorter than where its attributes were."""
    (span,) = parsed(SPAN_IDS + delimited(9, delimited(1, b"a") + delimited(2, delimited(1, b"text"))))
    pick = compiled.spans.Picker(["a"], "t")
    assert pick(span) == ["text"]
    span.raw = b""
    assert pick(span) is None


@pytest.mark.parametrize("field", ["name", "trace_state"])
def test_a_span_without_a_text_is_read_the_plain_way(field):
    """And so is one that was never given its bytes."""
    (span,) = parsed(SPAN_IDS)
    setattr(span, field, None)
    finder = compiled.spans.Finder([])
    for one in (span, WireSpan()):
        finder.learn(one, series())
        assert finder.find(one) is None


def test_a_name_that_was_exchanged_is_the_one_that_counts():
    """Whatever the bytes say: a copy may be changed."""
    (span,) = parsed(SPAN_IDS + delimited(5, b"before"))
    finder = compiled.spans.Finder([])
    finder.learn(span, series())
    span.name = "after"
    assert finder.find(span) is None


def test_a_class_that_makes_something_else_makes_no_spans():
    class Odd(compiled.spans.Head):
        def __new__(cls):
            return 5

    with pytest.raises(TypeError):
        list(read(payload_of(SPAN_IDS), kind=Odd).spans)
    with pytest.raises(TypeError, match="no Head"):
        read(payload_of(SPAN_IDS), kind=int)


def test_traces_are_only_decided_in_c_where_they_are_in_a_batch():
    """All others are left."""
    traces = [Trace(1), None]
    decider = compiled.spans.Decider([("count", 1, 1, 0)], str, print)
    assert decider.take(traces, {}, compiled.spans.Remembered(1), {}, 0, 1) == (traces, [], 0, 0)


@pytest.mark.parametrize(("worker", "workers", "taken"), [(4, 5, []), (1, 3, [1]), (0, 1, [1, 2, 3]), (1, 2, [1, 3])])
def test_what_was_taken_out_of_a_batch_is_not_in_it(worker, workers, taken):
    """Neither as a trace, nor counted, nor decided."""
    batch = read(payload_of(*(encoded(n) for n in (1, 2, 3, 1))))
    found = batch.take(worker, workers)
    left = [n for n in (1, 2, 3) if n not in taken]
    assert [trace.trace_id for trace in found] == taken
    assert sum(len(trace.spans) for trace in found) + batch.accepted == 4
    assert [trace.trace_id for trace in batch.traces] == left
    assert len(batch.traces) == len(left)
    assert sorted({span.trace_id for span in batch.spans}) == left
    one, finder = series(), compiled.spans.Finder([])
    (learnt,) = parsed(encoded(9))
    finder.learn(learnt, one)
    (resource,) = {span.resource for trace in (*found, *batch.traces) for span in trace.spans}
    sources = {resource: SimpleNamespace(finders=(finder,), measured=SimpleNamespace(seen_ns=0))}
    assert compiled.spans.record(batch.spans, sources, 1) == []
    assert one.aggregate.count == batch.accepted
    decider = compiled.spans.Decider([("count", 9, 9, 0)], lambda _: "no", lambda _: None)
    _, _, traces, spans = decider.take(batch.traces, {}, compiled.spans.Remembered(9), {}, 0, 1)
    assert (traces, spans) == (len(left), batch.accepted)


def test_a_batch_that_was_released_holds_nothing():
    """Its bytes may be gone: nothing of it may be read."""
    batch = read(payload_of(encoded(1), encoded(2)))
    spans, traces = batch.spans, batch.traces
    batch.release()
    batch.release()
    assert batch.accepted == 2, "it has been that"
    batch.measure()
    assert (list(spans), list(traces), batch.take(0, 1)) == ([], [], [])
    assert compiled.spans.record(spans, {}, 1) == []
    assert compiled.spans.counted(spans, "a", print, print) == []
    decider = compiled.spans.Decider([("count", 1, 1, 0)], str, print)
    assert decider.take(traces, {}, compiled.spans.Remembered(1), {}, 0, 1) == ([], [], 0, 0)


def test_a_span_becomes_one_object():
    """Whoever asks, and however often."""
    batch = read(payload_of(encoded(1), encoded(2)))
    first, second = batch.spans
    assert batch.traces[0].spans[0] is first
    assert batch.take(0, 2)[0].spans == [second]
    assert list(batch.spans) == [first]


def test_more_parts_than_usual_are_read_the_plain_way():
    """A resource that comes in a thousand fields would be joined of as many."""
    assert read(delimited(1, delimited(1, b"") * 17)) is None
    assert read(delimited(1, delimited(1, b"") * 16)) is not None


def test_a_series_without_room_for_its_edges_does_not_lose_the_others():
    """All that have waited are settled, or go on waiting; none is forgotten."""
    spans = parsed(SPAN_IDS + delimited(5, b"broken"), SPAN_IDS + delimited(5, b"sound"))
    broken, sound = series(), series()
    finder = compiled.spans.Finder([])
    for span, its in zip(spans, (broken, sound), strict=True):
        finder.learn(span, its)
    buckets, broken.aggregate.buckets = broken.aggregate.buckets, []
    sources = {"resource": SimpleNamespace(finders=(finder,), measured=SimpleNamespace(seen_ns=0))}
    for span in spans:
        span.resource = "resource"
    with pytest.raises(ValueError, match="0 buckets, and 1 edges"):
        compiled.spans.record(spans, sources, 1)
    broken.aggregate.buckets = buckets
    assert compiled.spans.record(spans, sources, 2) == []
    assert (broken.aggregate.count, sound.aggregate.count) == (2, 2)


def test_a_counted_histogram_has_a_bucket_for_every_edge():
    histogram = SimpleNamespace(edges=(1, 2), buckets=[0, 0], total=0, least=0, most=0)
    odd = SimpleNamespace(duration=histogram, memory_growth=histogram, cpu_time=histogram, pool_wait=histogram)
    counter = compiled.spans.Counter([f"a{n}" for n in range(9)], 1, 1)
    with pytest.raises(ValueError, match="2 buckets, and 2 edges"):
        counter.learn(*parsed(SPAN_IDS), _Hashable(odd))


class _Hashable:
    """Stands for a series; `SimpleNamespace` has no hash."""

    def __init__(self, of):
        self.__dict__.update(vars(of))


@pytest.mark.parametrize("sized", [False, True])
def test_spans_outlive_their_request(sized):
    """Each holds what its bytes are in, whoever holds the span."""
    payload = payload_of(*(encoded(1 + n) for n in range(10)))
    batch = Decoder().decode(payload, sized=sized)
    one, trace, spans = batch.traces[0].spans[0], batch.traces[1], batch.traces[2].spans
    batch.release()
    del batch, payload
    assert [span.raw for span in (one, *trace.spans, *spans)] == [encoded(1), encoded(2), encoded(3)]
