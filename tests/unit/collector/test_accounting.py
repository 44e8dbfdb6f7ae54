"""Items, memory, figures, pending traces on disk, and the lines that sum up."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_fe.collector import pending
from otel_fe.collector.accounts import COUNTER, GAUGE, UPTIME, Sample, samples_of
from otel_fe.collector.decision_request import UnreachableError, ask, in_words
from otel_fe.collector.graph.memory import MemoryLimit
from otel_fe.collector.own_metrics import added_up, encode, prometheus_text
from otel_fe.collector.process_memory import resident_bytes, total_memory
from otel_fe.collector.refusals import PressureError
from otel_fe.collector.summary_lines import stop_line
from otel_fe.config.processors import MemoryLimiter
from otel_fe.errors import ConfigurationError
from otel_fe.testing import FakeClock
from otel_fe.wire.validation import check
from otel_fe.wire.wire_error import WireError
from tests.unit.collector.parts import SAMPLED, WAITING, PipelineBench
from tests.unit.collector.running import request

MIB = 1 << 20


def test_items_of_each_signal():
    """Spans, data points of every kind of metric, log records."""
    assert check("traces", request(1, 2, spans=3).SerializeToString()).items == 6
    metrics = ExportMetricsServiceRequest()
    scope = metrics.resource_metrics.add().scope_metrics.add()
    scope.metrics.add().gauge.data_points.add()
    summed = scope.metrics.add().sum.data_points
    summed.add()
    summed.add()
    scope.metrics.add().histogram.data_points.add()
    scope.metrics.add().exponential_histogram.data_points.add()
    scope.metrics.add().summary.data_points.add()
    scope.metrics.add()
    assert check("metrics", metrics.SerializeToString()).items == 6
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add()
    assert check("logs", logs.SerializeToString()).items == 1
    with pytest.raises(WireError):
        check("logs", b"rubbish")


@pytest.mark.parametrize(
    ("signal", "payload"),
    [
        ("logs", b"\x0a\x00" * MIB),
        ("logs", b"\x0a\x84\x80\x80\x01" + b"\x12\x80\x80\x80\x01" + b"\x12\x00" * MIB),
        ("metrics", b"\x0a\x00" * MIB),
    ],
)
def test_a_request_of_nothing_is_refused_before_it_is_parsed(signal, payload):
    """A million empty messages in two megabytes would take a hundred times that."""
    with pytest.raises(WireError):
        check(signal, payload)


def test_a_large_request_of_something_is_taken():
    """The check above does not mistake it."""
    logs = ExportLogsServiceRequest()
    scope = logs.resource_logs.add().scope_logs.add()
    for number in range(30_000):
        scope.log_records.add(time_unix_nano=number).body.string_value = f"a log record like any other, number {number}"
    assert check("logs", logs.SerializeToString()).items == 30_000


def test_refusing_begins_at_once_and_ends_after_an_interval():
    """Requests are refused from the soft limit on, until a later check finds memory below it."""
    clock, used = FakeClock(), [10 * MIB]
    limit = MemoryLimit(MemoryLimiter(1_000_000_000, limit_mib=100, spike_limit_mib=30), clock, lambda: used[0])
    limit.check()
    used[0] = 70 * MIB
    with pytest.raises(PressureError, match="more than 70 MiB") as caught:
        limit.check()
    assert caught.value.retry_after_s == 1.0
    used[0] = 69 * MIB
    with pytest.raises(PressureError):
        limit.check()
    clock.advance(1.0)
    limit.check()


def test_memory_limits_of_shares_and_percentages():
    """A fifth of the limit is the spike's by default; workers share it."""
    clock = FakeClock()
    limit = MemoryLimit(MemoryLimiter(1, limit_mib=100), clock, lambda: 0, share=2)
    assert (limit.hard_bytes, limit.soft_bytes) == (50 * MIB, 40 * MIB)
    part = MemoryLimit(MemoryLimiter(1, limit_percentage=50, spike_limit_percentage=10), clock, lambda: 0)
    assert part.hard_bytes == total_memory() * 50 // 100
    assert part.soft_bytes == part.hard_bytes - total_memory() * 10 // 100


def test_a_limit_below_what_an_idle_process_takes_is_refused():
    """A memory limit below an idle process's use is refused, as it would reject every request."""
    limit = MemoryLimit(MemoryLimiter(1, limit_mib=5), FakeClock())
    with pytest.raises(ConfigurationError, match="the process already uses"):
        limit.check_idle("processors::memory_limiter")
    assert resident_bytes() > MIB


def test_pending_traces_go_to_disk_and_back(tmp_path):
    """Pending traces are restored with their arrival times in a process with another monotonic clock."""
    bench = PipelineBench(WAITING)
    bench.take(request(1, slow=True, rooted=False).SerializeToString())
    bench.clock.advance(4.0)
    bench.take(request(2, rooted=False).SerializeToString())
    bench.engine.close(decide=False)
    path = tmp_path / "pending"
    assert pending.save(path, bench.engine, bench.clock) == 4
    later = FakeClock(bench.clock.time_ns() + 5_000_000_000, 77_000_000_000_000)
    again = PipelineBench(WAITING, later)
    assert pending.restore(path, again.engine, later) == 4
    assert not path.exists()
    again.engine.tick()
    assert again.sums()["received"] == 0
    later.advance(1.1)  # ten seconds after the first
    again.engine.tick()
    assert again.sums() == {"received": 2, "sampled": 2, "not_sampled": 0, "dropped": 0, "queued": 0}


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_pending_traces_wait_no_longer_when_the_clock_has_jumped_meanwhile(tmp_path, jump_s):
    """Put back by an hour, they would otherwise wait for an hour; put forward, they are decided at once."""
    bench = PipelineBench(WAITING)
    bench.take(request(1, slow=True, rooted=False).SerializeToString())
    bench.take(request(2, slow=True).SerializeToString())
    bench.engine.close(decide=False)
    path = tmp_path / "pending"
    saved = pending.save(path, bench.engine, bench.clock)
    later = FakeClock(bench.clock.time_ns(), 77_000_000_000_000)
    later.jump(jump_s)
    again = PipelineBench(WAITING, later)
    assert pending.restore(path, again.engine, later) == saved
    later.advance(10.1)
    again.engine.tick()
    assert again.sums()["received"] == again.sums()["sampled"] + again.sums()["not_sampled"]
    assert not list(again.engine.parts.sampled[0].sampler.pending_traces())


def test_a_damaged_file_gives_back_what_it_can(tmp_path, caplog):
    """A damaged file is read up to the damage; a file of another format restores no span."""
    bench = PipelineBench(SAMPLED)
    for trace in (1, 2, 3):
        bench.take(request(trace, rooted=False).SerializeToString())
    bench.engine.close(decide=False)
    path = tmp_path / "pending"
    pending.save(path, bench.engine, bench.clock)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    again = PipelineBench(SAMPLED, bench.clock)
    assert pending.restore(path, again.engine, bench.clock) == 2
    assert "are lost" in caplog.text
    path.write_bytes(b"something else")
    assert pending.restore(path, again.engine, bench.clock) == 0


def test_nothing_pending_leaves_no_file(tmp_path):
    """No file is left if there are no pending traces, not even an earlier one."""
    bench = PipelineBench(SAMPLED)
    path = tmp_path / "pending"
    path.write_bytes(b"old")
    bench.engine.close(decide=False)
    assert pending.save(path, bench.engine, bench.clock) == 0
    assert not list(tmp_path.iterdir())


def test_figures_of_an_engine():
    """Every received span is in exactly one of sampled, not sampled and pending."""
    bench = PipelineBench(SAMPLED)
    bench.take(request(1, slow=True).SerializeToString())
    bench.take(request(2).SerializeToString())
    bench.clock.advance(10.0)
    bench.engine.tick()
    bench.take(request(3).SerializeToString())
    found = samples_of(bench.engine, (), (), 0.0)
    by_name = {}
    for sample in found:
        by_name[sample.name] = by_name.get(sample.name, 0) + sample.value
    assert by_name["otel_fe.pipeline.spans.received"] == 6
    assert by_name["otel_fe.pipeline.spans.sampled"] == 2
    assert by_name["otel_fe.pipeline.spans.not_sampled"] == 2
    assert by_name["otel_fe.pipeline.spans.pending"] == 2
    assert by_name["otel_fe.pipeline.traces.open"] == 1
    assert stop_line(found, saved=2) == (
        "otel-fe collector stopped: 6 spans received = 2 sampled + 2 not sampled + 0 dropped + 2 on disk to be decided"
    )


def test_the_page_for_prometheus():
    """Names, types and escapes as its format has them."""
    text = prometheus_text(
        [
            Sample("otel_fe.pipeline.spans.dropped", COUNTER, (("reason", 'a"b\\c\nd'),), 3),
            Sample("otelcol_exporter_queue_size", GAUGE, (), 1.5),
        ]
    )
    assert 'otel_fe_pipeline_spans_dropped_total{reason="a\\"b\\\\c\\nd"} 3\n' in text
    assert "# TYPE otelcol_exporter_queue_size gauge\notelcol_exporter_queue_size 1.5\n" in text


def test_workers_figures_are_added_up():
    """Workers' figures are added up, except for the time since the start."""
    found = added_up(
        [Sample("a", COUNTER, (), 1), Sample("a", COUNTER, (), 2), Sample("a", COUNTER, (("b", "c"),), 5)]
        + [Sample(UPTIME, COUNTER, (), 7), Sample(UPTIME, COUNTER, (), 6)]
    )
    assert {(sample.name, sample.labels): sample.value for sample in found} == {
        ("a", ()): 3,
        ("a", (("b", "c"),)): 5,
        (UPTIME, ()): 7,
    }


def test_own_metrics_as_otlp():
    """Counters are cumulative sums, the rest gauges."""
    request_ = ExportMetricsServiceRequest.FromString(
        encode([Sample("a", COUNTER, (("k", "v"),), 1), Sample("b", GAUGE, (), 2)], "me", 5, 9)
    )
    first, second = request_.resource_metrics[0].scope_metrics[0].metrics
    assert first.sum.is_monotonic
    assert first.sum.data_points[0].start_time_unix_nano == 5
    assert second.gauge.data_points[0].as_double == 2


def test_why_in_words():
    """Each state of a trace has its own sentence."""
    assert "not decided yet; 2 spans" in in_words({"state": "pending", "trace_id": "1", "spans": 2, "waiting_s": 1.0})
    remembered = {"state": "remembered", "trace_id": "1", "sampled": True, "policy": "slow"}
    assert "kept by slow; how its policies voted is no longer known" in in_words(remembered)
    assert "unknown" in in_words({"state": "unknown", "trace_id": "1"})
    record = {"trace_id": "1", "outcome": "not sampled", "time_unix_nano": 0, "trigger": "trace_size"}
    record |= {"spans": 1, "duration_ns": 1_000_000, "votes": []}
    assert "no policy was asked" in in_words({"state": "decided", "record": record})
    with pytest.raises(UnreachableError, match="no collector answers on localhost:1 "):
        ask("0" * 32, "localhost:1")
