"""Ids that a sender has chosen: all of them have one hash as numbers, or stand in each other's way in a dictionary of numbers."""

from __future__ import annotations

import random
import time

import pytest

from otel_fe import compiled
from otel_fe.clock import SystemClock
from otel_fe.collector.decision_lookup import explained
from otel_fe.config.policies import AlwaysSample, RateLimiting, SpanCount, TailSampling
from otel_fe.config.settings import Settings
from otel_fe.dashboard.waterfall import waterfall
from otel_fe.model.decision import NOT_SAMPLED
from otel_fe.model.id_keys import span_key, trace_key
from otel_fe.model.span import CLIENT, Resource, Scope, Span
from otel_fe.pipeline.buffered_trace import BufferedTrace
from otel_fe.pipeline.engine import Engine
from otel_fe.pipeline.span_tree import SpanTree
from otel_fe.pipeline.tail_sampler import TailSampler
from otel_fe.replay.ledger import Ledger
from otel_fe.store.decoded_trace import DecodedTrace
from otel_fe.wire.batch import Batch, Trace, worker_of
from otel_fe.wire.decode import Decoder
from otel_fe.wire.fields import delimited
from otel_fe.wire.handed import hand_over
from otel_fe.wire.sizes import add_sizes
from tests.corpus.wire import encode
from tests.unit.collector.parts import SAMPLED, PipelineBench
from tests.unit.store.parts import otlp

MODULUS = 2**61 - 1
"""Of Python's hash of an integer."""
COUNT = 20_000
PARENT = b"p" * 8
RESOURCES, SCOPES = (Resource({"a": "b" * 130}), Resource({})), (Scope("lib", "1"), Scope())


class Id(int):
    """An id whose hash must not be taken."""

    __hash__ = None


def span(trace_id=1, span_id=1, parent_id=0, **more):
    """Return a span of a trace whose id is only good as bytes."""
    return Span(Id(trace_id), span_id, parent_id, **more)


def sampler(*policies, **settings):
    """Return one that keeps everything once its wait is over, and notes what it is."""
    kept = []
    made = TailSampling(policies or (SpanCount("all", 1, 1_000_000),), **settings)
    return TailSampler(made, SystemClock(), lambda trace_id, _spans, _decision: kept.append(trace_id) or ""), kept


def test_a_sampler_waits_for_a_trace_by_the_bytes_of_its_id():
    """A trace waits until its time has come; later spans follow its decision."""
    waits, kept = sampler()
    waits.receive(Id(5), [span(5, 2, 1)], 10, 1)
    waits.receive(Id(6), [span(6, 2, 1)], 10, 1)
    assert waits.pending == (2, 2)
    waits.receive(Id(5), [span(5, 1)], 10, 1)
    assert (waits.pending, kept) == ((2, 3), [])
    waits.close()
    waits.receive(Id(5), [span(5, 3, 1)], 10, 1)
    assert (waits.pending, kept) == ((0, 0), [5, 6, 5])


def test_a_round_of_limited_traces_knows_them_without_their_ids():
    waits, kept = sampler(RateLimiting("few", 100, 100))
    for trace_id in (5, 6):
        waits.receive(Id(trace_id), [span(trace_id, 1)], 10, 1)
        waits.receive(Id(trace_id), [span(trace_id, 2, 1)], 10, 1)
    assert waits.due_ns == 31_000_000_000
    waits.tick()
    assert (waits.pending, kept) == ((0, 0), [5, 6])


def test_a_trace_that_is_too_large_or_one_too_many_is_looked_up_no_other_way():
    waits, kept = sampler(num_traces=1, maximum_trace_size_bytes=100)
    waits.receive(Id(5), [span(5, 2, 1)], 101, 1)
    waits.receive(Id(6), [span(6, 2, 1)], 10, 1)
    waits.receive(Id(7), [span(7, 2, 1)], 10, 1)
    assert (waits.pending, kept) == ((1, 1), [6])
    assert waits.counters.evicted == {"trace_size": 1, "num_traces": 1}


def test_what_waits_is_explained_by_the_bytes_of_its_id():
    bench = PipelineBench(SAMPLED)
    bench.engine.parts.sampled[0].sampler.receive(5, [span(5, 2, 1)], 10, 1)
    assert explained(bench.engine, Id(5), 1)["state"] == "pending"
    assert explained(bench.engine, Id(6), 1)["state"] == "unknown"


def test_a_process_knows_its_traces_by_the_bytes_of_their_ids():
    """Trace ids from a `traceparent` are hashed by their bytes, for open and for kept traces."""
    exported = []
    engine = Engine(
        Settings(), SystemClock(), random.Random(1).randrange, lambda trace, _: exported.append(trace.trace_id) or ""
    )
    first, second = (engine.assembler.started(Id(5), None, None, root=True) for _ in range(2))
    assert first is second
    for error in (True, False):
        engine.assembler.ended(first, "span", 1, 2, error, 100, True)
    engine.assembler.decide_complete()
    again = engine.assembler.started(Id(5), None, None, root=True)
    assert again is not first
    engine.assembler.ended(again, "span", 1, 2, False, 100, True)
    engine.assembler.decide_complete()
    assert exported == [5, 5], "it follows what became of the first"
    assert engine.assembler.pending() == (0, 0)


def test_calls_are_found_by_the_bytes_of_their_parents_ids():
    """Chosen ids do not slow the search down, as 87 000 colliding keys would a dictionary (eight seconds)."""
    below = [(1, 0), (2, 1), (3, 2)]
    spans = [span(1, Id(n), Id(parent), kind=CLIENT) for n, parent in (*below, *((n, 9_999) for n in range(4, 99)))]
    assert SpanTree(spans).calls_below(spans[0]) == spans[1:3]


def test_a_split_is_found_by_the_bytes_of_its_spans_id():
    trace = DecodedTrace(otlp((1, 7, 0, "a", {})))
    (row,) = waterfall(trace, {span_key(7): {"cpu": 5, "gpu": 0}}, {}).rows
    assert row.split == (("cpu", 5),)


def test_a_ledger_has_a_trace_under_the_bytes_of_its_id():
    ledger = Ledger()
    for _ in range(2):
        ledger.add(BufferedTrace(Id(5), 1), 1, "whole", NOT_SAMPLED, ())
    assert [entry.trace_id for entry in ledger.entries.values()] == [5]


def test_sizes_are_added_up_by_the_bytes_of_ids():
    spans = list(Decoder()._decode(encode([Span(1, 1), Span(2, 2), Span(1, 3)]), sized=True).spans)
    for one in spans:
        one.trace_id = Id(one.trace_id)
    sizes = {}
    add_sizes([spans], sizes)
    assert set(sizes) == {trace_key(1), trace_key(2)}


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_every_trace_has_one_worker_whoever_looks(workers):
    """The worker of a trace follows from its id alone, without a table, and is the same in C, in Python and for `why`."""
    ids = [random.Random(n).getrandbits(128) for n in range(50)] + [1, 2**64, 2**128 - 1]
    payload = encode([Span(trace_id, 1) for trace_id in ids])
    found, plain = Decoder().decode(payload), Batch([Trace(Id(trace_id)) for trace_id in ids], 0)
    for worker in range(workers):
        payload, spans = hand_over(found, worker, workers)
        taken = [trace.trace_id for trace in Decoder().decode(payload).traces]
        assert taken == [trace.trace_id for trace in plain.take(worker, workers)]
        assert spans == len(taken)
        assert taken == [trace_id for trace_id in ids if worker_of(trace_id, workers) == worker]
        assert [trace.trace_id for trace in found.traces] == [trace.trace_id for trace in plain.traces]
    assert list(found.traces) == plain.traces == []


@pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")
def test_there_is_no_worker_of_none():
    """C divides by nothing without asking."""
    with pytest.raises(ValueError, match="no workers"):
        hand_over(Decoder().decode(encode([Span(1, 1)])), 0, 0)


@pytest.mark.parametrize("length", [0, 100, 130, 17_000])
def test_a_trace_in_many_places_is_as_large_in_c(length):
    """Each resource and each scope that it has spans in counts, with lengths of one byte, two, and three."""
    spans = [
        Span(trace_id, n + 1, n % 2, "n" * length, resource=resource, scope=scope)
        for n, (resource, scope) in enumerate((r, s) for r in RESOURCES for s in SCOPES)
        for trace_id in (1, 2, 1)
        if trace_id == 1 or n != 1
    ]
    payload = encode(spans) + encode(spans[:1])
    usual, plain = Decoder().decode(payload), Decoder()._decode(payload, sized=True)
    assert [trace.size_bytes for trace in usual.traces] == [trace.size_bytes for trace in plain.traces]
    assert min(trace.size_bytes for trace in plain.traces) > length


def request(ids, parent=b""):
    """Return an encoded request with a span of each of these traces."""
    tail = delimited(2, b"s" * 8) + (delimited(4, parent) if parent else b"")
    return delimited(1, delimited(2, b"".join(delimited(2, delimited(1, trace_key(i)) + tail) for i in ids)))


def seconds(ids):
    """Return how long it takes to receive these traces, as one process or as one of two."""
    begun_s = time.process_time()
    orphans, roots, odd = request(ids, PARENT), request(ids), request(ids) + b"\x10\x00"
    for payload in (orphans, odd):
        assert hand_over(Decoder().decode(payload, sized=True), 0, 2)[1] < COUNT
    for policies in ((AlwaysSample("all"),), (RateLimiting("few", 1, 1),)):
        waits, _ = sampler(*policies, num_traces=COUNT + 1, maximum_trace_size_bytes=1_000_000)
        waits.receive_all(Decoder().decode(orphans, sized=True).traces, 1)
        waits.receive_all(Decoder().decode(roots, sized=True).traces, 2)
        waits.tick()
        waits.close()
        assert waits.counters.received == 2 * COUNT
    return time.process_time() - begun_s


@pytest.mark.thorough
def test_traces_whose_ids_have_one_hash_take_no_longer_than_others():
    """Looked up as numbers, these took a minute, and a request has room for five times as many."""
    usual = [random.Random(1).getrandbits(127) + n for n in range(COUNT)]
    chosen = [5 + n * MODULUS for n in range(1, COUNT + 1)]
    assert len(set(map(hash, chosen[:100]))) == 1
    assert seconds(chosen) < 5 * seconds(usual) + 1
