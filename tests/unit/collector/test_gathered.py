"""Small requests that are processed together: nothing else about them changes."""

from __future__ import annotations

import logging
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe import semconv
from otel_fe.collector.accounts import samples_of
from otel_fe.collector.decision_lookup import explained
from otel_fe.collector.graph.graph import FAILED
from otel_fe.collector.refusals import PressureError, StoppingError
from otel_fe.wire.batch import Batch
from otel_fe.wire.wire_error import WireError
from tests.effort import examples
from tests.unit.collector.parts import SAMPLED, PipelineBench
from tests.unit.collector.running import request

SOON_S = 0.005


def payload(*traces: int, **kinds) -> bytes:
    return request(*traces, **kinds).SerializeToString()


def gathering(text: str = SAMPLED, **more) -> PipelineBench:
    """Return an engine that has just processed a request of trace 99, so that the next small one waits."""
    bench = PipelineBench(text, gathers=True, **more)
    bench.clock.advance(1.0)
    bench.take(payload(99))
    bench.clock.advance(SOON_S)
    return bench


def pending(bench: PipelineBench) -> int:
    """Return how many traces wait for their decision."""
    return bench.engine.parts.sampled[0].sampler.pending[0]


def test_a_request_that_comes_alone_is_processed_at_once():
    """There is nothing to be gained by waiting for others."""
    bench = PipelineBench(SAMPLED, gathers=True)
    for number in range(1, 4):
        bench.clock.advance(0.02)
        bench.take(payload(number))
        assert pending(bench) == number


def test_requests_in_quick_succession_are_processed_together():
    """After 20 ms, with the request that comes then."""
    bench = gathering()
    for number in range(1, 5):
        bench.take(payload(number, slow=True))
        assert pending(bench) == 1
        bench.clock.advance(SOON_S)
    bench.take(payload(5, slow=True))
    assert bench.sums()["received"] == 10
    assert len(bench.exporters["nop"].payloads) == 1


def test_a_pause_of_the_senders_is_noticed():
    """A tick processes what waits; the ticking thread is told when."""
    bench = gathering()
    bench.take(payload(1, slow=True))
    assert bench.due_s() == pytest.approx(0.05)
    assert bench.woken[-1] - bench.clock.monotonic_ns() == pytest.approx(0.05e9)
    bench.clock.advance(0.05)
    bench.engine.tick()
    assert bench.sums()["received"] == 2
    assert bench.due_s() > 1


def test_large_requests_do_not_wait_and_are_not_overtaken():
    """What came before them is processed first."""
    bench = gathering()
    bench.take(payload(1))
    assert pending(bench) == 1
    bench.take(payload(2, spans=2_000))
    assert pending(bench) == 3


def test_no_more_than_128_kib_wait():
    """However quickly they come."""
    bench = gathering()
    data = payload(1, spans=200)
    rounds = (128 << 10) // len(data)
    for _ in range(rounds):
        bench.take(data)
    assert pending(bench) == 1
    bench.take(data)
    assert pending(bench) == 2


def test_a_refusal_is_the_answer_to_its_own_request():
    """Rubbish is refused at once, and a bad span is cut out of its own request."""
    bench = gathering()
    with pytest.raises(WireError):
        bench.take(b"rubbish")
    bad = request(1)
    bad.resource_spans[0].scope_spans[0].spans[1].span_id = b"short"
    accepted, outcome = bench.take(bad.SerializeToString())
    assert (accepted, outcome.rejected) == (1, 1)
    bench.engine.tick()
    assert bench.engine.parts.sampled[0].sampler.pending == (2, 3)


@pytest.mark.parametrize("prompt", ["block_on_overflow", "safe"])
def test_what_promises_more_than_memory_does_not_wait(prompt):
    """Where the sender must be told that there is no room, or that a request is safe, each is processed before its answer."""
    text = SAMPLED
    if prompt == "block_on_overflow":
        text = SAMPLED.replace("decision_wait: 10s", "decision_wait: 10s, num_traces: 2, block_on_overflow: true")
    bench = gathering(text, durable={"nop"} if prompt == "safe" else ())
    bench.take(payload(1, slow=prompt == "safe"))
    if prompt == "safe":
        assert len(bench.exporters["nop"].payloads) == 1
    else:
        with pytest.raises(PressureError):
            bench.take(payload(2))


def test_figures_and_explanations_know_what_waits():
    """Whoever asks sees all that was acknowledged."""
    bench = gathering()
    bench.take(payload(1))
    found = {sample.name: sample.value for sample in samples_of(bench.engine, [], [], time.monotonic())}
    assert found[semconv.SPANS_PENDING] == 4
    bench.take(payload(2))
    assert explained(bench.engine, 2, bench.clock.monotonic_ns())["state"] == "pending"


def test_the_end_leaves_nothing_behind():
    """What waits is decided with all others, and nothing is taken after that."""
    bench = gathering()
    bench.take(payload(1, slow=True))
    bench.engine.close(decide=True)
    assert bench.sums() == {"received": 4, "sampled": 2, "not_sampled": 2, "dropped": 0, "queued": 0}
    with pytest.raises(StoppingError):
        bench.take(payload(2))


def test_a_failure_is_accounted_for(monkeypatch, caplog):
    """Its sender has its answer already: the spans are counted as dropped, with a message, and others go on."""
    bench = gathering()
    (sampled,) = bench.engine.parts.sampled

    def fail(*_):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR, "otel_fe"):
        patched.setattr(sampled.sampler, "receive_all", fail)
        bench.take(payload(1))
        bench.engine.tick()
    assert "2 spans that were acknowledged could not be processed" in caplog.text
    assert dict(sampled.counters.dropped) == {FAILED: 2}
    bench.take(payload(2, slow=True))
    bench.engine.close(decide=True)
    assert bench.sums() == {"received": 6, "sampled": 2, "not_sampled": 2, "dropped": 2, "queued": 0}


def test_spans_of_other_workers_are_handed_over_together():
    """One hand-over for all of them."""

    class Partition:
        def __init__(self):
            self.calls = []

        def check(self):
            pass

        def own(self, receiver, batch):
            traces = {trace.trace_id for trace in batch.traces}
            self.calls.append(traces)
            return Batch([trace for trace in batch.traces if trace.trace_id % 2], batch.rejected)

    partition = Partition()
    bench = gathering(partition=partition)
    for number in range(1, 5):
        bench.take(payload(number))
    bench.engine.tick()
    assert partition.calls == [{99}, {1, 2, 3, 4}]
    assert pending(bench) == 3


SENT = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from([1, 2, 300]),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["shop", "cart"]),
        st.sampled_from([0.0, 0.004, 0.03, 12.0]),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=examples(20), deadline=None)
@given(SENT)
def test_the_result_is_that_of_one_after_the_other(sent):
    """Same spans out, same counts, same metrics, whatever waits."""
    assert _result(sent, gathers=True) == _result(sent, gathers=False)


def _result(sent, *, gathers):
    bench = PipelineBench(SAMPLED, gathers=gathers)
    for trace, spans, slow, rooted, service, pause_s, ticks in sent:
        made = request(trace, spans=spans, slow=slow, rooted=rooted, service=service)
        for scope in made.resource_spans[0].scope_spans:
            for span in scope.spans:
                span.start_time_unix_nano, span.end_time_unix_nano = 1_000, 1_000 + (200 if slow else 10) * 1_000_000
        bench.take(made.SerializeToString())
        if ticks:
            bench.engine.tick()
        bench.clock.advance(min(pause_s, 0.06))
        if pause_s > 0.06:  # the ticking thread is woken meanwhile
            bench.engine.tick()
            bench.clock.advance(pause_s - 0.06)
    bench.engine.tick()
    bench.clock.advance(30.0)
    bench.engine.tick()
    bench.engine.close(decide=True)
    spans = Counter(
        (resource.resource.SerializeToString(), span.SerializeToString())
        for data in bench.exporters["nop"].data
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )
    connector = bench.engine.parts.connectors["span_metrics"].connector
    counts = {
        (resource.attributes["service.name"], metric.name, tuple(sorted(point.attributes.items()))): point.value
        for resource in connector.collect()
        for metric in resource.metrics
        for point in metric.points
    }
    return spans, bench.sums(), counts
