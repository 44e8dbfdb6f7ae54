"""Requests through pipelines, with a clock of the test's."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.collector.refusals import NoPipelineError, PressureError, StoppingError
from otel_fe.collector.reload import transfer_state
from otel_fe.errors import ConfigurationError
from otel_fe.wire.batch import Batch
from otel_fe.wire.wire_error import WireError
from tests.unit.collector.parts import PLAIN, SAMPLED, WAITING, Noted, PipelineBench
from tests.unit.collector.running import request


def spans_of(*datas: bytes):
    return [
        span
        for data in datas
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def payload(*traces: int, **kinds) -> bytes:
    return request(*traces, **kinds).SerializeToString()


def logs(records: int) -> bytes:
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    for number in range(records):
        scope.log_records.add(severity_number=1).body.int_value = number
    return made.SerializeToString()


def test_traces_with_a_final_vote_are_sent_within_the_request():
    """A sampled trace is offered to the exporter before its request is acknowledged; undecided traces wait."""
    bench = PipelineBench(SAMPLED)
    accepted, outcome = bench.take(payload(1, slow=True))
    assert (accepted, outcome.rejected) == (2, 0)
    assert len(spans_of(*bench.exporters["nop"].data)) == 2
    bench.take(payload(2))
    assert bench.sums() == {"received": 2, "sampled": 2, "not_sampled": 0, "dropped": 0, "queued": 0}
    bench.clock.advance(10.0)
    bench.engine.tick()
    assert bench.sums() == {"received": 4, "sampled": 2, "not_sampled": 2, "dropped": 0, "queued": 0}


def test_what_is_pending_is_decided_by_ticks():
    """After the decision wait, and not before."""
    bench = PipelineBench(WAITING)
    bench.take(payload(1, slow=True, rooted=False))
    bench.clock.advance(9.9)
    bench.engine.tick()
    assert not bench.exporters["nop"].payloads
    bench.clock.advance(0.2)
    bench.engine.tick()
    assert len(spans_of(*bench.exporters["nop"].data)) == 2


@pytest.mark.parametrize(
    ("text", "sent", "due_s"),
    [
        (SAMPLED, [], 15),
        (SAMPLED, [payload(1)], 10),
        (SAMPLED, [payload(1, slow=True)], 15),
        (SAMPLED, [payload(1, slow=True), payload(2, slow=True)], 0.15),
        (SAMPLED, [payload(1, rooted=False)], 10),
        (SAMPLED.replace("[tail_sampling]", "[tail_sampling, batch]"), [payload(1, slow=True)], 1),
        (PLAIN, [logs(2)], 1),
        (PLAIN, [], 60),
    ],
    ids=["flush", "pending", "kept", "paused", "rootless", "batched", "plain batch", "derived"],
)
def test_says_when_a_tick_has_something_to_do(text, sent, due_s):
    """`due_s()` is the time of the earliest deadline, and a request with an earlier one wakes the ticking thread."""
    bench = PipelineBench(text)
    before_s = bench.due_s()
    for data in sent:
        bench.take(data, "logs" if text is PLAIN else "traces")
    assert bench.due_s() == pytest.approx(due_s)
    if due_s < before_s:
        assert min(bench.woken) - bench.clock.monotonic_ns() == pytest.approx(due_s * 1e9)
    else:
        assert not [at_ns for at_ns in bench.woken[-1:] if at_ns < bench.engine.due_ns()]


def test_what_was_decided_before_its_time_is_not_waited_for():
    """A trace that is decided early sets no deadline, although its place in the order of arrival stays."""
    bench = PipelineBench(SAMPLED)
    bench.take(payload(1, rooted=False))
    bench.engine.parts.sampled[0].close()
    assert bench.due_s() == pytest.approx(15)


def test_batch_behind_the_sampler():
    """`batch` waits for enough spans or for its timeout."""
    bench = PipelineBench(SAMPLED.replace("[tail_sampling]", "[tail_sampling, batch]"))
    bench.take(payload(1, slow=True))
    bench.take(payload(2, slow=True))
    assert not bench.exporters["nop"].payloads
    bench.take(payload(3, slow=True))
    (first,) = bench.exporters["nop"].data
    assert len(spans_of(first)) == 6
    assert len(ExportTraceServiceRequest.FromString(first).resource_spans) == 1, (
        "one resource, whatever the requests were"
    )
    bench.take(payload(4, slow=True))
    bench.clock.advance(1.0)
    bench.engine.tick()
    assert len(spans_of(bench.exporters["nop"].data[1])) == 2


def test_what_is_kept_soon_after_a_send_waits_for_the_next():
    """Kept spans wait up to 150 ms, as one backend request per received request would cost much CPU."""
    bench = PipelineBench(SAMPLED)
    bench.take(payload(1, slow=True))
    bench.take(payload(2, slow=True))
    bench.take(payload(3, slow=True))
    (first,) = bench.exporters["nop"].data
    bench.clock.advance(0.15)
    bench.engine.tick()
    assert [len(spans_of(data)) for data in (first, bench.exporters["nop"].data[1])] == [2, 4]
    bench.clock.advance(0.15)
    bench.take(payload(4, slow=True))
    assert len(bench.exporters["nop"].data) == 3, "after that long, at once"


@pytest.mark.parametrize("processors", ["[tail_sampling]", "[tail_sampling, batch]"])
def test_nothing_is_held_that_goes_to_a_queue_on_disk(processors):
    """Spans for a queue on disk are not held in memory, where they would be acknowledged without being durable."""
    bench = PipelineBench(SAMPLED.replace("[tail_sampling]", processors), durable=["nop"])
    for trace in range(1, 4):
        bench.take(payload(trace, slow=True))
        assert len(bench.exporters["nop"].payloads) == trace


def test_counted_before_and_behind_the_sampler():
    """Before: every span, exemplars of kept traces only. Behind: what is kept, by its weight."""
    text = SAMPLED.replace("exporters: [nop]}", "exporters: [nop, span_metrics/kept]}", 1).replace(
        "connectors:", "connectors:\n  span_metrics/kept: {namespace: kept, metrics_flush_interval: 15s}"
    )
    bench = PipelineBench(text.replace("receivers: [span_metrics]", "receivers: [span_metrics, span_metrics/kept]"))
    for trace in range(1, 10):
        bench.take(payload(trace, slow=trace == 9, spans=1, name="one"))
    bench.clock.advance(15.0)
    bench.engine.tick()
    found = {
        metric.name: metric
        for data in bench.exporters["nop/metrics"].data
        for resource in ExportMetricsServiceRequest.FromString(data).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    (counted,) = found["traces.span.metrics.duration"].histogram.data_points
    assert counted.count == 9
    assert {exemplar.trace_id for exemplar in counted.exemplars} == {(9).to_bytes(16, "big")}
    (kept,) = found["kept.duration"].histogram.data_points
    assert kept.count == 1
    (calls,) = found["kept.calls"].sum.data_points
    assert calls.as_int == 0, "the first point of a cumulative sum, as the Collector's"


def test_a_plain_pipeline_forwards_the_bytes():
    """A pipeline without processors forwards valid bytes to each exporter, and invalid ones to none."""
    bench = PipelineBench(PLAIN)
    sent = payload(1) + b"\xc2\x3e\x03abc"
    bench.take(sent)
    assert bench.exporters["nop"].data == bench.exporters["nop/second"].data == [sent]
    with pytest.raises(WireError):
        bench.take(b"rubbish")
    with pytest.raises(NoPipelineError):
        bench.take(b"", "metrics")


def test_a_full_queue_is_told_before_anything_is_done():
    """A full queue is reported before any span is processed, so that a retry does not duplicate it."""
    bench = PipelineBench(PLAIN)
    bench.exporters["nop/second"].full = True
    with pytest.raises(PressureError, match="the queue of nop/second is full"):
        bench.take(payload(1))
    assert not bench.exporters["nop"].payloads
    assert bench.engine.parts.plain[0].counters.received == 0


def test_batches_of_a_plain_pipeline_are_joined_and_cut():
    """Enough is sent at once, in requests that are no larger than they may be; all of it is counted once."""
    bench = PipelineBench(PLAIN)
    bench.take(logs(2), "logs")
    bench.take(logs(3), "logs")
    assert not bench.exporters["nop"].payloads
    bench.take(logs(5), "logs")
    assert [one.items for one in bench.exporters["nop"].payloads] == [8, 2]
    counters = bench.engine.parts.plain[1].counters
    assert (counters.received, counters.queued, counters.sampled.total()) == (10, 0, 10)
    bench.take(logs(1), "logs")
    bench.engine.close(decide=True)
    assert [one.items for one in bench.exporters["nop"].payloads] == [8, 2, 1]


def test_a_span_is_sent_where_one_exporter_has_sent_it():
    """A span counts as sent if one exporter has sent it, as dropped with the last reason if none has, and as queued until then."""
    exporters = {"nop": Noted(at_once=False), "nop/second": Noted(at_once=False)}
    bench = PipelineBench(PLAIN, exporters=exporters)
    counters = bench.engine.parts.plain[0].counters
    bench.take(payload(1))
    bench.take(payload(2))
    first, second = exporters["nop"].payloads
    exporters["nop"].settle(first, "queue_full")
    assert (counters.queued, counters.sampled.total(), counters.dropped.total()) == (4, 0, 0)
    exporters["nop/second"].settle(first)
    assert (counters.queued, counters.sampled.total(), counters.dropped.total()) == (2, 2, 0)
    exporters["nop"].settle(second, "queue_full")
    exporters["nop/second"].settle(second, "queue_full")
    assert (counters.queued, counters.sampled.total(), dict(counters.dropped)) == (0, 2, {"queue_full": 2})


def test_payloads_that_are_settled_in_parts():
    """Each part once, whatever its fate."""
    exporters = {"nop": Noted(at_once=False), "nop/second": Noted()}
    bench = PipelineBench(PLAIN.replace("exporters: [nop, nop/second]", "exporters: [nop]"), exporters=exporters)
    counters = bench.engine.parts.plain[0].counters
    bench.take(payload(1, spans=5))
    (whole,) = exporters["nop"].payloads
    whole.tally.note("nop", 3, "")
    assert counters.queued == 5
    whole.tally.note("nop", 2, "export_failed")
    assert (counters.queued, counters.sampled.total(), dict(counters.dropped)) == (0, 3, {"export_failed": 2})


def test_a_closed_engine_takes_nothing():
    """A closed engine raises StoppingError, so the sender retries."""
    bench = PipelineBench(SAMPLED)
    bench.engine.close(decide=True)
    with pytest.raises(StoppingError):
        bench.take(payload(1))


def test_close_decides_as_it_stands_or_not():
    """Closing decides pending traces, or keeps them to be saved, or drops them with `drop_pending_traces_on_shutdown`."""
    for decide, drop, expected in ((True, "false", 2), (False, "false", 0), (False, "true", 0)):
        bench = PipelineBench(
            WAITING.replace("decision_wait", f"drop_pending_traces_on_shutdown: {drop}, decision_wait")
        )
        bench.take(payload(1, slow=True, rooted=False))
        bench.engine.close(decide=decide)
        assert len(spans_of(*bench.exporters["nop"].data)) == expected
        assert bench.sums()["dropped"] == (2 if drop == "true" else 0)


def test_places_that_are_all_taken():
    """Senders wait under `block_on_overflow`; old traces are not decided early."""
    bench = PipelineBench(SAMPLED.replace("decision_wait", "num_traces: 2, block_on_overflow: true, decision_wait"))
    bench.take(payload(1, 2, rooted=False))
    with pytest.raises(PressureError, match="2 traces are waiting"):
        bench.take(payload(3))


def test_two_samplers_in_one_pipeline_are_refused():
    """Which decision would count?"""
    text = SAMPLED.replace(
        "  batch:", "  tail_sampling/2: {policies: [{name: a, type: always_sample}]}\n  batch:"
    ).replace("[tail_sampling]", "[tail_sampling, tail_sampling/2]")
    with pytest.raises(ConfigurationError, match="one tail_sampling"):
        PipelineBench(text)


def test_extractions_are_counted_once():
    """Only extractions that no process has decided are counted; their exemplars are of kept traces."""
    bench = PipelineBench(SAMPLED)
    bench.take(payload(1, spans=1, slow=True, name="feature_extraction shop"))
    bench.take(payload(2, spans=1, name="feature_extraction shop"))
    decided = request(3, spans=1, name="feature_extraction shop")
    decided.resource_spans[0].scope_spans[0].spans[0].trace_state = "ot=th:8"
    bench.take(decided.SerializeToString())
    bench.take(payload(4, spans=1, name="feature_extractions of others"))
    bench.clock.advance(60.0)
    bench.engine.tick()
    found = [
        (resource, metric)
        for data in bench.exporters["nop/metrics"].data
        for resource in ExportMetricsServiceRequest.FromString(data).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "feature_extraction.duration"
    ]
    ((resource, metric),) = found
    assert resource.resource == decided.resource_spans[0].resource
    (point,) = metric.histogram.data_points
    assert point.count == 2
    assert [exemplar.trace_id for exemplar in point.exemplars] == [(1).to_bytes(16, "big")]


def test_workers_mark_derived_metrics():
    """Two workers report for the same resource: their series must not be one."""
    bench = PipelineBench(SAMPLED, workers=2)
    bench.take(payload(1, spans=1, name="feature_extraction"))
    bench.clock.advance(60.0)
    bench.engine.tick()
    assert any(b"collector.instance.id" in data for data in bench.exporters["nop/metrics"].data)


def test_what_others_decide_is_handed_over():
    """The worker that took a span answers for it, and does nothing else with it."""

    class Partition:
        def __init__(self):
            self.handed = []

        def check(self):
            pass

        def own(self, receiver, batch):
            self.handed += [trace for trace in batch.traces if trace.trace_id == 2]
            return Batch([trace for trace in batch.traces if trace.trace_id != 2], batch.rejected)

    partition = Partition()
    bench = PipelineBench(SAMPLED, partition=partition)
    accepted, _ = bench.take(payload(1, 2, 3))
    assert accepted == 6
    assert bench.engine.parts.sampled[0].sampler.pending == (2, 4)
    assert len(partition.handed) == 1
    assert bench.engine.take_handed("otlp", payload(2)) == 2
    assert bench.engine.parts.sampled[0].sampler.pending == (3, 6)


def reloaded(bench: PipelineBench, text: str) -> PipelineBench:
    new = PipelineBench(text, bench.clock, bench.engine.parts, bench.exporters)
    with bench.engine.locked():
        bench.engine.closed = True
        transfer_state(new.engine.parts, bench.engine)
    bench.engine.finish()
    return new


@pytest.mark.parametrize("threshold", [100, 50])
def test_a_reload_goes_on_with_what_is_pending(threshold):
    """Pending traces, counts, memory and explanations survive a reload, with the same sampler or another."""
    bench = PipelineBench(WAITING)
    bench.take(payload(1, slow=True, rooted=False))
    bench.take(payload(2))
    bench.clock.advance(6.0)
    new = reloaded(bench, WAITING.replace("threshold_ms: 100", f"threshold_ms: {threshold}"))
    bench.clock.advance(4.1)
    new.engine.tick()
    assert len(spans_of(*bench.exporters["nop"].data)) == 2
    assert new.sums() == {"received": 4, "sampled": 2, "not_sampled": 2, "dropped": 0, "queued": 0}
    new.take(payload(2, spans=1))  # late: follows the decision
    assert new.sums()["not_sampled"] == 3
    from otel_fe.collector.decision_lookup import explained

    for trace in (1, 2):
        assert explained(new.engine, trace, bench.clock.monotonic_ns())["state"] == "decided"


def test_a_reload_hands_over_what_is_held():
    """Spans and logs that wait for a batch leave by the new pipelines; span metrics go on counting."""
    text = SAMPLED.replace("[tail_sampling]", "[tail_sampling, batch]")
    bench = PipelineBench(text)
    bench.take(payload(1, slow=True))
    new = reloaded(bench, text.replace("timeout: 1s", "timeout: 2s"))
    assert not bench.exporters["nop"].payloads
    new.engine.close(decide=True)
    assert len(spans_of(*bench.exporters["nop"].data)) == 2
    last = ExportMetricsServiceRequest.FromString(bench.exporters["nop/metrics"].data[-1])
    calls = next(m for m in last.resource_metrics[0].scope_metrics[0].metrics if m.name == "traces.span.metrics.calls")
    assert sum(point.as_int for point in calls.sum.data_points) == 2


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_jump_of_the_wall_clock_changes_no_wait(jump_s):
    """Decisions and intervals of metrics use the monotonic clock."""
    bench = PipelineBench(WAITING)
    bench.take(request(1, slow=True).SerializeToString())
    due_s = bench.due_s()
    bench.clock.jump(jump_s)
    assert bench.due_s() == due_s
    bench.engine.tick()
    assert bench.sums()["received"] == 0
    bench.clock.advance(9.9)
    bench.engine.tick()
    assert bench.sums()["received"] == 0
    bench.clock.jump(-2 * jump_s)
    bench.clock.advance(0.2)
    bench.engine.tick()
    assert bench.sums()["sampled"] == bench.sums()["received"] > 0
