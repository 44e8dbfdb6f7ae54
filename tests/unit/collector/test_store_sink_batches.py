"""Sampled traces are stored together with their metrics; a batch that cannot be stored is counted by reason."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe import semconv
from otel_fe.collector import store_sink as module
from otel_fe.collector.store_sink import StoreSink
from otel_fe.store import Selection, Store, StoreLimits, StoreReader
from otel_fe.store.series_keys import Which
from otel_fe.testing import FakeClock
from tests.unit.collector.parts import PipelineBench
from tests.unit.store.parts import NS, T0, otlp

EVERYTHING = Selection(0, 1 << 62)
KEEPS_ALL = """
receivers: {otlp: {protocols: {grpc: {}}}}
processors: {tail_sampling: {decision_wait: 1s, policies: [{name: all, type: always_sample}]}}
connectors: {span_metrics: {metrics_flush_interval: 3600s}}
exporters: {nop: {}, nop/metrics: {}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [nop]}
    traces/counted: {receivers: [otlp], exporters: [span_metrics]}
    metrics: {receivers: [span_metrics], exporters: [nop/metrics]}
"""
CALLS = Which("traces.span.metrics.calls")


class Chain:
    """A collector's engine whose kept traces go into a store."""

    def __init__(self, directory, limits=None, text=KEEPS_ALL):
        self.directory = directory
        self.clock = FakeClock(T0 + NS)
        self.bench = PipelineBench(text, self.clock)
        self.store = Store(directory, limits, self.clock)
        self.keeping = StoreSink(self.store, self.store.counters, self.clock)
        self.keeping.observe(self.bench.engine.parts)
        self.sent = 0

    def send(self, traces):
        """Send a request of so many extractions, each a trace of its own."""
        first, self.sent = self.sent + 1, self.sent + traces
        name = f"{semconv.SPAN_NAME} user"
        attributes = {semconv.FEATURE_SET: "user"}
        spans = [(number, number, 0, name, attributes) for number in range(first, first + traces)]
        self.bench.take(otlp(*spans))

    def decide(self):
        """Let the decision wait of all traces pass."""
        self.clock.advance(5)
        self.bench.engine.tick()

    def work(self, **more):
        self.keeping.work(self.bench.engine, **more)

    def read(self, question):
        """Return the answer of a reader to a question, once all is committed."""
        assert self.store.flush()
        with StoreReader(self.directory) as reader:
            return question(reader)

    def traces(self):
        return self.read(lambda reader: len(reader.traces.find(EVERYTHING, limit=1_000_000)))

    def counted(self):
        return self.read(lambda reader: reader.sums.distribution(semconv.DURATION, 0, 1 << 62).count)


@pytest.fixture
def chain(tmp_path):
    """Yield a chain, with a store of the usual limits."""
    made = Chain(tmp_path)
    yield made
    made.store.close()


@pytest.mark.thorough
def test_one_request_of_20_000_kept_traces_is_all_there(chain):
    """The bound is one of bytes; the store's own queue is not passed over."""
    chain.send(20_000)
    chain.decide()
    while chain.keeping.due_ns != module.FAR_NS:
        chain.work(at_once=True)
        assert chain.store.flush()
    assert chain.traces() == chain.counted() == 20_000
    assert chain.store.counters.lost == {}


def test_what_there_is_no_room_for_is_counted_by_name(chain, monkeypatch):
    """Kept = stored + lost, whatever the bound."""
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    chain.send(2_000)
    chain.decide()
    chain.work()
    stored = chain.traces()
    assert 0 < stored < 2_000
    assert chain.store.counters.lost == {"queue_full": 2_000 - stored}
    assert chain.counted() == 2_000


def test_a_batch_that_the_store_has_no_room_for_waits(chain, monkeypatch):
    """A batch that does not fit is offered again, and no trace is lost."""
    refused, put = [], chain.store.add_batch
    monkeypatch.setattr(chain.store, "add_batch", lambda batch: bool(refused.append(batch)))
    chain.send(3)
    chain.decide()
    chain.work()
    assert len(refused) == 1
    assert chain.keeping.due_ns != module.FAR_NS
    monkeypatch.setattr(chain.store, "add_batch", put)
    chain.clock.advance(1)
    chain.work()
    assert chain.traces() == 3
    assert chain.keeping.due_ns == module.FAR_NS


def test_counts_are_committed_with_the_traces(chain):
    """Counts of extractions and connectors are committed with each batch, long before the next export of metrics."""
    for sent in (3, 7):
        chain.send(sent - (3 if sent == 7 else 0))
        chain.decide()
        chain.work()
        assert chain.traces() == chain.counted() == sent
        assert chain.read(lambda reader: reader.series.count(CALLS, 0, 1 << 62)) == sent
    exported = chain.bench.engine.parts.derived.collect()
    chain.keeping.exported(exported)
    for connected in chain.bench.engine.parts.connectors.values():
        chain.keeping.collected(connected.collect_due(0, at_once=True))
    assert chain.counted() == 7
    assert chain.read(lambda reader: reader.series.count(CALLS, 0, 1 << 62)) == 7


def test_batches_are_a_second_apart_under_load(chain):
    """The first comes at once, and the end leaves nothing out."""
    chain.send(1)
    chain.decide()
    chain.work()
    assert chain.traces() == 1
    chain.send(1)
    chain.bench.engine.tick()
    chain.clock.advance(0.5)
    chain.work()
    assert chain.traces() == 1
    chain.clock.advance(0.5)
    chain.work()
    chain.send(1)
    chain.decide()
    chain.keeping.finish(chain.bench.engine, 5)
    with StoreReader(chain.directory) as reader:
        assert len(reader.traces.find(EVERYTHING)) == 3


def test_a_wrong_trace_of_a_batch_is_lost_alone(tmp_path):
    """The others of the batch are there."""
    from otel_fe.store import KeptBatch
    from tests.unit.store.parts import extraction, trace

    wrong = trace(2, extraction(span_id=1 << 70))
    with Store(tmp_path, StoreLimits()) as store:
        assert store.add_batch(KeptBatch((trace(1), wrong, trace(3)), ({"trace_id": "nonsense"},)))
        assert store.flush()
        assert store.counters.written == {"trace": 2}
        assert store.counters.lost == {"invalid": 2}
        with StoreReader(tmp_path) as reader:
            assert [reader.traces.by_id(number) is not None for number in (1, 2, 3)] == [True, False, True]


SLOW_OR_FAILED = KEEPS_ALL.replace(
    "{name: all, type: always_sample}", "{name: failed, type: status_code, status_code: {status_codes: [ERROR]}}"
)


def part(*spans, failed=False):
    """Return a request of spans of trace 5: (span id, parent id, name)."""
    request = ExportTraceServiceRequest.FromString(otlp(*((5, *span, {}) for span in spans)))
    if failed:
        request.resource_spans[0].scope_spans[0].spans[0].status.code = 2
    return request.SerializeToString()


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two batches"])
def test_a_trace_that_is_kept_early_is_one_trace_whenever_its_parts_come(tmp_path, apart):
    """The first part has the error and no extraction; the extraction follows, and takes the place of the row for the whole."""
    chain = Chain(tmp_path, text=SLOW_OR_FAILED)
    chain.bench.take(part((1, 0, "GET /"), failed=True))
    if apart:
        chain.decide()
        chain.work()
    chain.bench.take(part((2, 1, "feature_extraction user")))
    chain.decide()
    chain.work()
    found = chain.read(lambda reader: reader.traces.find(Selection(0, 1 << 62, whole_traces=True)))
    assert [(one.trace_id, one.extraction.span_id) for one in found] == [(5, 2)]
    whole = chain.read(lambda reader: reader.traces.by_id(5))
    assert (whole.span_count, whole.root, whole.error, whole.policy) == (2, "GET /", True, "failed")
    assert whole.record["policy"] == "failed"
    chain.store.close()


def test_some_decisions_of_each_second_are_stored(tmp_path):
    """Decisions not to keep a trace are sampled evenly; those of kept traces are stored with their trace."""
    chain = Chain(tmp_path, text=SLOW_OR_FAILED)
    chain.send(500)
    chain.bench.take(part((1, 0, "GET /"), failed=True))
    chain.decide()
    chain.work()
    stored = chain.read(lambda reader: reader.decisions.last(1_000))
    assert 10 <= len(stored) <= 50
    assert not any(one["sampled"] for one in stored)
    chain.store.close()


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_counts_are_committed_after_a_jump_of_the_clock(chain, jump_s):
    """Counts of a connector are committed too, though no later span of their series ever comes."""
    chain.send(3)
    chain.decide()
    chain.work()
    chain.clock.jump(jump_s)
    chain.send(4)
    chain.decide()
    chain.work()
    assert chain.traces() == chain.counted() == 7
    assert chain.read(lambda reader: reader.series.count(CALLS, 0, 1 << 62)) == 7
