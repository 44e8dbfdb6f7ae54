"""Acknowledged items are safe; items that an exporter cannot take are refused so that senders retry."""

from __future__ import annotations

import random
import threading

import pytest

from otel_fe.clock import SystemClock
from otel_fe.collector.exporters.outcome import Failed
from otel_fe.collector.exporters.payload import EXPORT_FAILED, MALFORMED, SENT, SHUTDOWN
from otel_fe.collector.exporters.queued import Queued
from otel_fe.collector.refusals import BackendError, PressureError, StoppingError
from otel_fe.collector.reload import transfer_state
from otel_fe.collector.servers.statuses import code_of
from otel_fe.config.sending import Retry, SendingQueue
from tests.unit.collector.exporters.fakes import Ledger, Scripted, span_names, traces
from tests.unit.collector.parts import PLAIN, SAMPLED, PipelineBench
from tests.unit.collector.running import request

AGAIN = Failed("UNAVAILABLE", may_pass=True)
COUNTED = """
receivers: {otlp: {protocols: {grpc: {}}}}
connectors: {span_metrics: {metrics_flush_interval: 15s}}
exporters: {nop: {}, nop/metrics: {}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [nop, span_metrics]}
    metrics: {receivers: [otlp, span_metrics], exporters: [nop/metrics]}
"""


def payload(*numbers: int, **kinds) -> bytes:
    return request(*numbers, **kinds).SerializeToString()


@pytest.mark.parametrize(
    ("reason", "error", "codes"),
    [
        ("storage_full", PressureError, (14, 503)),
        ("queue_full", PressureError, (14, 503)),
        ("unreachable", PressureError, (14, 503)),
        ("shutdown", StoppingError, (14, 503)),
        ("export_failed", BackendError, (13, 500)),
    ],
)
def test_what_the_exporter_does_not_take_is_refused(reason, error, codes):
    """The code of the refusal makes senders retry, unless a retry would not help."""
    bench = PipelineBench(COUNTED)
    bench.exporters["nop"].refuses = reason
    with pytest.raises(error) as caught:
        bench.take(payload(1))
    assert code_of(caught.value) == codes
    assert (caught.value.retry_after_s > 0) == (reason != "export_failed")


def test_a_refused_request_is_counted_once_when_it_comes_again():
    """A refused request was counted by neither the pipeline nor its connector, so its repetition counts once."""
    bench = PipelineBench(COUNTED)
    bench.exporters["nop"].refuses = "storage_full"
    for _ in range(3):
        with pytest.raises(PressureError, match="the queue of nop cannot be written to disk; try again in 1 s"):
            bench.take(payload(1))
    counters = bench.engine.parts.plain[0].counters
    assert (counters.received, counters.queued, dict(counters.dropped)) == (0, 0, {})
    bench.exporters["nop"].refuses = ""
    bench.take(payload(1))
    assert (counters.received, counters.queued, counters.sampled.total()) == (2, 0, 2)
    bench.clock.advance(15)
    bench.engine.tick()
    (calls,) = [
        metric
        for collected in bench.engine.parts.connectors["span_metrics"].connector.collect()
        for metric in collected.metrics
        if metric.name.endswith("calls")
    ]
    assert sum(point.value for point in calls.points) == 2


def test_the_request_is_refused_when_one_of_two_exporters_does_not_take_it():
    """If one exporter refuses, the request is refused, and the other gets it twice, as in the Collector."""
    bench = PipelineBench(PLAIN)
    bench.exporters["nop/second"].refuses = "storage_full"
    with pytest.raises(PressureError):
        bench.take(payload(1))
    bench.exporters["nop/second"].refuses = ""
    bench.take(payload(1))
    assert [len(bench.exporters[name].payloads) for name in ("nop", "nop/second")] == [2, 1]
    counters = bench.engine.parts.plain[0].counters
    assert (counters.received, counters.queued, counters.sampled.total()) == (4, 0, 4)


def test_metrics_of_our_own_have_no_sender_to_tell():
    """otel_fe's own metrics that are refused are counted as lost, without an error."""
    bench = PipelineBench(COUNTED)
    bench.exporters["nop/metrics"].refuses = "queue_full"
    bench.take(payload(1))
    bench.clock.advance(15)
    bench.engine.tick()
    (counters,) = [one.counters for one in bench.engine.parts.plain if one.signal == "metrics"]
    assert counters.dropped["queue_full"] > 0


def test_kept_spans_that_a_durable_queue_cannot_take_are_held():
    """Acknowledged spans are held while the queue refuses them, and nothing new is accepted meanwhile, so their number is bounded."""
    bench = PipelineBench(SAMPLED, durable=["nop"])
    disk = bench.exporters["nop"]
    disk.refuses = "storage_full"
    bench.take(payload(1, slow=True))
    for _ in range(3):
        with pytest.raises(PressureError, match="the queue of nop cannot be written to disk"):
            bench.take(payload(2, slow=True))
    assert bench.sums()["queued"] == 2
    assert bench.due_s() == pytest.approx(1)
    disk.refuses = ""
    bench.engine.tick()
    assert sorted(span_names(*disk.data)) == ["op 1", "op 2"]
    bench.take(payload(2, slow=True))
    assert bench.sums() == {"received": 4, "sampled": 4, "not_sampled": 0, "dropped": 0, "queued": 0}


def test_a_full_durable_queue_behind_a_sampler_refuses():
    bench = PipelineBench(SAMPLED, durable=["nop"])
    bench.exporters["nop"].full = True
    with pytest.raises(PressureError, match="the queue of nop is full"):
        bench.take(payload(1))


def test_a_queue_in_memory_behind_a_sampler_loses_by_name_and_metrics_go_on():
    """A sampler cannot refuse, so a dead trace backend drops traces, as in the Collector, and stops no metrics."""
    bench = PipelineBench(SAMPLED)
    bench.exporters["nop"].refuses = "queue_full"
    assert bench.take(payload(1, slow=True))[0] == 2
    assert dict(bench.counters.dropped) == {"queue_full": 2}


def test_the_end_offers_what_is_held_once_more():
    bench = PipelineBench(SAMPLED, durable=["nop"])
    bench.exporters["nop"].refuses = "storage_full"
    bench.take(payload(1, slow=True))
    bench.engine.close(decide=True)
    assert dict(bench.counters.dropped) == {"storage_full": 2}
    assert bench.sums()["queued"] == 0


def test_a_reload_takes_over_what_is_held():
    before = PipelineBench(SAMPLED, durable=["nop"])
    before.exporters["nop"].refuses = "storage_full"
    before.take(payload(1, slow=True))
    after = PipelineBench(SAMPLED, before.clock, before.engine.parts, before.exporters, durable=["nop"])
    before.engine.closed = True
    transfer_state(after.engine.parts, before.engine)
    before.engine.finish()
    before.exporters["nop"].refuses = ""
    after.engine.tick()
    assert sorted(span_names(*before.exporters["nop"].data)) == ["op 1", "op 2"]
    assert (after.sums()["sampled"], after.sums()["dropped"]) == (2, 0)


# --- without a queue -------------------------------------------------------------------------------------------------------


@pytest.fixture
def direct():
    made = []

    def make(*outcomes):
        transport, ledger = Scripted(*outcomes), Ledger()
        retry = Retry(initial_interval_ns=1_000_000, max_interval_ns=1_000_000)
        exporter = Queued(
            "otlp_grpc",
            transport,
            SendingQueue(queue_size=10),
            retry,
            ("traces",),
            ledger,
            SystemClock(),
            random.random,
            direct=True,
        )
        exporter.start()
        made.append(exporter)
        return exporter, transport, ledger

    yield make
    for exporter in made:
        exporter.shutdown(1)


def test_without_a_queue_the_backend_has_it_before_it_is_accepted(direct):
    exporter, transport, ledger = direct()
    assert exporter.accept(traces(3)) == SENT
    assert (len(transport.sent), ledger.items) == (1, {SENT: 3})


def test_without_a_queue_a_backend_that_is_gone_settles_nothing(direct):
    """A backend that is gone is tried once: the sender tries again."""
    exporter, transport, ledger = direct(AGAIN)
    assert exporter.accept(traces(3)) == "unreachable"
    assert (len(transport.sent), ledger.items) == (1, {})
    assert exporter.accept(traces(3)) == SENT


def test_without_a_queue_a_refusal_is_final(direct):
    exporter, _, ledger = direct(Failed("PERMISSION_DENIED", may_pass=False))
    assert exporter.accept(traces(3)) == EXPORT_FAILED
    assert ledger.items == {EXPORT_FAILED: 3}


def test_without_a_queue_a_culprit_is_isolated_too(direct):
    bad = Failed("INVALID_ARGUMENT", may_pass=False, divisible=True)
    exporter, _, ledger = direct(bad, bad)
    assert exporter.accept(traces(2)) == SENT
    assert ledger.items == {SENT: 1, MALFORMED: 1}


def test_without_a_queue_what_cannot_wait_is_tried_again(direct):
    """An exporter without a queue retries the spans that a sampler exports later, and otel_fe's own metrics."""
    exporter, transport, ledger = direct(AGAIN, AGAIN)
    assert exporter.offer(traces(3))
    assert exporter.flush(5)
    assert (len(transport.sent), ledger.items) == (3, {SENT: 3})


def test_after_the_shutdown_nothing_is_accepted(direct):
    exporter, _, ledger = direct()
    exporter.shutdown(1)
    assert exporter.accept(traces(1)) == SHUTDOWN
    assert ledger.items == {}


def test_another_worker_waits_while_kept_spans_are_held():
    """Spans from another worker wait behind held ones, so that worker reads no more from its senders than there is room for."""
    bench = PipelineBench(SAMPLED, durable=["nop"])
    disk = bench.exporters["nop"]
    disk.refuses = "storage_full"
    bench.take(payload(1, slow=True))
    handing = threading.Thread(target=bench.engine.take_handed, args=("otlp", payload(2, slow=True)))
    handing.start()
    handing.join(0.3)
    assert handing.is_alive()
    assert bench.sums()["received"] == 2
    disk.refuses = ""
    handing.join(5)
    assert not handing.is_alive()
    assert bench.sums() == {"received": 4, "sampled": 4, "not_sampled": 0, "dropped": 0, "queued": 0}
