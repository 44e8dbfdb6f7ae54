"""A batch in C: what it says of its traces, and what of those that were taken out; and how many of what there may be."""

from __future__ import annotations

import random
import sys
import time
from unittest.mock import patch

import pytest

from otel_fe import compiled
from otel_fe.wire.decode import Decoder
from otel_fe.wire.fields import delimited
from otel_fe.wire.wire_error import WireError
from tests.properties.encoded_spans import SPAN_IDS, encoded, parsed, payload_of, read, series, source

pytestmark = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")

MIX = 0x9E3779B97F4A7C15


def test_many_traces_and_scopes_take_no_time_by_their_product():
    """A hundred thousand scopes fit into a request, and as many traces: each scope looking at each trace would take a minute."""
    scopes = [delimited(2, delimited(2, encoded(1 + n)) + delimited(2, encoded(99_999 - n))) for n in range(40_000)]
    begun_s = time.process_time()
    batch = read(delimited(1, b"".join(scopes)))
    assert time.process_time() - begun_s < 5
    assert batch.accepted == 80_000
    assert len(batch.traces) == 80_000


def test_ids_of_a_request_that_were_made_to_share_a_place_do_not():
    """Ids chosen to collide under the known multipliers do not slow down reading, as the hash has a further secret."""
    undo = pow(MIX, -1, 1 << 64)
    ids = [((number * undo % (1 << 64)) << 64) + (-number * undo % (1 << 64)) for number in range(1, 40_001)]
    begun_s = time.process_time()
    batch = read(payload_of(*(delimited(1, i.to_bytes(16, "big")) + delimited(2, b"s" * 8) for i in ids)))
    assert time.process_time() - begun_s < 5
    assert [trace.trace_id for trace in batch.traces] == ids


@pytest.mark.thorough
@pytest.mark.parametrize(
    "payload",
    [
        delimited(1, b"\x12\x00" * 99_999),
        delimited(1, b"\x12\x00" * 100_000),
        delimited(1, b"\x12\x00" * 99_999 + delimited(1, b"") + delimited(3, b"url")),
        b"\x0a\x00" * 100_000,
        b"\x0a\x00" * 100_001,
        b"\x0a\x02\x12\x00" * 50_001,
    ],
)
def test_too_many_resources_and_scopes_are_as_many_as_the_plain_way_says(payload):
    """The limits are the same to the unit, or one machine would take a request that another refuses."""
    found = []
    for spans in (compiled.backend, None):
        with patch.object(compiled, "backend", spans):
            try:
                found.append(Decoder().decode(payload, sized=False).accepted)
            except WireError as error:
                found.append(str(error))
    assert found[0] == found[1]


@pytest.mark.parametrize("ids", [[1, 1 + (1 << 64)], list(range(1, 300)), [n << 64 for n in range(1, 300)]])
def test_a_trace_is_found_again_by_all_of_its_id(ids):
    """Traces whose ids differ in only one half are distinguished, however many others come in between."""
    shuffled = random.Random(1).sample(ids, len(ids))
    batch = read(payload_of(*(encoded(n) for n in ids), *(encoded(n) for n in shuffled)))
    assert [trace.trace_id for trace in batch.traces] == ids
    assert [[span.trace_id for span in trace.spans] for trace in batch.traces] == [[n, n] for n in ids]


def test_a_class_that_makes_something_else_makes_no_spans():
    class Odd(compiled.backend.Head):
        def __new__(cls):
            return 5

    with pytest.raises(TypeError):
        list(read(payload_of(SPAN_IDS), kind=Odd).spans)
    with pytest.raises(TypeError, match="no Head"):
        read(payload_of(SPAN_IDS), kind=int)


@pytest.mark.parametrize(("worker", "workers", "taken"), [(4, 5, []), (1, 3, [1]), (0, 1, [1, 2, 3]), (1, 2, [1, 3])])
def test_what_was_taken_out_of_a_batch_is_not_in_it(worker, workers, taken):
    """A trace taken out of a batch is no longer listed, counted or decided there."""
    batch = read(payload_of(*(encoded(n) for n in (1, 2, 3, 1))))
    payload, spans = compiled.backend.hand_over(batch, worker, workers)
    found = read(payload).traces
    left = [n for n in (1, 2, 3) if n not in taken]
    assert [trace.trace_id for trace in found] == taken
    assert sum(len(trace.spans) for trace in found) == spans
    assert spans + batch.accepted == 4
    assert [trace.trace_id for trace in batch.traces] == left
    assert len(batch.traces) == len(left)
    assert sorted({span.trace_id for span in batch.spans}) == left
    one, finder = series(), compiled.backend.Finder([])
    (learnt,) = parsed(encoded(9))
    finder.learn(learnt, one)
    (resource,) = {span.resource for span in batch.spans} or {None}
    sources = {resource: source(finder)}
    assert compiled.backend.record(batch.spans, sources, 1) == []
    assert one.aggregate.count == batch.accepted


def test_a_batch_that_was_released_holds_nothing():
    """A released batch cannot be read, as its bytes may be gone."""
    batch = read(payload_of(encoded(1), encoded(2)))
    spans, traces = batch.spans, batch.traces
    batch.release()
    batch.release()
    assert batch.accepted == 2, "it has been that"
    batch.measure()
    assert (list(spans), list(traces), compiled.backend.hand_over(batch, 0, 1)) == ([], [], (b"", 0))
    assert compiled.backend.record(spans, {}, 1) == []
    assert compiled.backend.counted(spans, "a", print, print) == []


def test_a_batch_that_was_released_does_not_hold_its_request():
    """A released batch and its views hold no reference to the request's bytes, which may be large."""
    payload = payload_of(encoded(1))
    batch = read(payload)
    views = batch.spans, batch.traces, list(batch.spans)
    batch.release()
    assert sys.getrefcount(payload) == 2
    assert batch.accepted == len(views[2])


def test_a_span_becomes_one_object():
    """Every access to a span returns the same object."""
    batch = read(payload_of(encoded(1), encoded(2)))
    first, second = batch.spans
    assert batch.traces[0].spans[0] is first
    assert batch.traces[1].spans == [second]
    assert compiled.backend.hand_over(batch, 0, 2)[1] == 1
    assert list(batch.spans) == [first]


def test_more_parts_than_usual_are_read_the_plain_way():
    """A resource that comes in a thousand fields would be joined of as many."""
    assert read(delimited(1, delimited(1, b"") * 17)) is None
    assert read(delimited(1, delimited(1, b"") * 16)) is not None


@pytest.mark.parametrize("sized", [False, True])
def test_spans_outlive_their_request(sized):
    """A span keeps the buffer of its bytes alive after its batch is gone."""
    payload = payload_of(*(encoded(1 + n) for n in range(10)))
    batch = Decoder().decode(payload, sized=sized)
    one, trace, spans = batch.traces[0].spans[0], batch.traces[1], batch.traces[2].spans
    batch.release()
    del batch, payload
    assert [span.raw for span in (one, *trace.spans, *spans)] == [encoded(1), encoded(2), encoded(3)]
