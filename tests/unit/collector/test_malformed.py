"""One sender's malformed span does not affect other senders' spans, in any pipeline of the collector."""

from __future__ import annotations

import json
import random
import struct
import zlib

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.clock import SystemClock
from otel_fe.collector import pending
from otel_fe.collector.accounts import samples_of
from otel_fe.collector.exporters.payload import MALFORMED, SENT
from otel_fe.collector.exporters.queued import Queued
from otel_fe.collector.exporters.storage import Storage
from otel_fe.collector.servers.intake import Intake, IntakeCounters
from otel_fe.config.sending import QueueBatch, SendingQueue
from otel_fe.wire import validation
from otel_fe.wire.fields import delimited
from tests.unit.collector.exporters.fakes import Ledger, Scripted, span_names
from tests.unit.collector.parts import PLAIN, SAMPLED, PipelineBench
from tests.unit.collector.running import request
from tests.unit.wire.test_validation import BAD_SPANS

BOTH = SAMPLED.replace("exporters: [span_metrics]", "exporters: [span_metrics, nop/metrics]")


def mixed(bad: bytes, first: int = 1) -> bytes:
    """Return a request of a good sender's trace, a bad span, and another good one."""
    scope = delimited(2, bad)
    of_bad = delimited(1, delimited(2, scope))
    good = [request(trace, slow=True).SerializeToString() for trace in (first, first + 1)]
    return good[0] + of_bad + good[1]


def names(*datas: bytes) -> list[str]:
    """Return the names of spans in requests, as official protobuf reads them."""
    return sorted(span_names(*datas))


@pytest.fixture(params=["compiled", "reference"])
def scanned_by(request, monkeypatch):
    """Let both scans have their turn."""
    if request.param == "reference":
        monkeypatch.setattr(validation, "_scan", validation.scan)


@pytest.mark.parametrize("name", BAD_SPANS)
@pytest.mark.parametrize("text", [SAMPLED, PLAIN, BOTH], ids=["sampled", "pass-through", "both"])
@pytest.mark.usefixtures("scanned_by")
def test_a_malformed_span_is_rejected_and_everybody_else_arrives(text: str, name: str):
    """A malformed span is rejected; protobuf's C core can read everything that the exporters are offered."""
    bad, reason = BAD_SPANS[name]
    bench = PipelineBench(text)
    accepted, outcome = bench.take(mixed(bad))
    assert (accepted, outcome.rejected, outcome.reasons) == (4, 1, {reason: 1})
    bench.engine.close(decide=True)
    assert names(*bench.exporters["nop"].data) == ["op 1", "op 1", "op 2", "op 2"]
    for exporter in bench.exporters.values():
        for payload in exporter.payloads:
            if payload.signal == "traces":
                ExportTraceServiceRequest.FromString(payload.data)


def test_rejected_items_are_counted_by_reason():
    bench = PipelineBench(SAMPLED)
    received = IntakeCounters("otlp", "grpc")
    intake = Intake(received, lambda: bench.engine)
    intake.take("traces", mixed(BAD_SPANS["half a surrogate pair"][0]))
    outcome = intake.take("traces", mixed(BAD_SPANS["truncated event"][0], 3), {"malformed": 2})
    assert (outcome.rejected, outcome.reasons) == (3, {"malformed": 3})
    found = {
        dict(sample.labels)["reason"]: sample.value
        for sample in samples_of(bench.engine, [received], (), 0.0)
        if sample.name == "otelcol_receiver_failed_spans"
    }
    assert found == {"invalid_utf8": 1, "malformed": 3}


def test_pending_traces_of_an_earlier_version_are_validated(tmp_path):
    """Pending traces that an earlier version saved are validated, since it may not have."""
    bench = PipelineBench(SAMPLED)
    file = tmp_path / "pending"
    now_ns = bench.clock.time_ns()
    head = json.dumps({"pipeline": "traces", "arrived_ns": now_ns, "rooted_ns": 0}).encode()
    with file.open("wb") as out:
        out.write(b"otel-fe pending traces 1\n")
        for body in (
            mixed(BAD_SPANS["truncated attribute"][0]),
            delimited(1, b"\xff"),
            mixed(BAD_SPANS["field 0"][0], 5),
        ):
            out.write(struct.pack(">III", len(head), len(body), zlib.crc32(head + body)) + head + body)
    assert pending.restore(file, bench.engine, bench.clock) == 8
    bench.engine.close(decide=True)
    assert len(names(*bench.exporters["nop"].data)) == 8
    assert bench.sums() == {"received": 10, "sampled": 8, "not_sampled": 0, "dropped": 2, "queued": 0}
    assert dict(bench.counters.dropped) == {"malformed": 2}


@pytest.mark.parametrize(
    "batch", [None, QueueBatch(flush_timeout_ns=10_000_000, min_size=0, max_size=0, sizer="items")]
)
def test_a_queue_of_an_earlier_version_is_validated(tmp_path, batch):
    storage = Storage(tmp_path / "queue.db", fsync=False, lock_timeout_s=1)
    storage.append(5, mixed(BAD_SPANS["truncated link"][0]))
    storage.append(1, delimited(1, delimited(2, delimited(2, BAD_SPANS["wire type 6"][0]))))
    storage.append(4, request(7, 8).SerializeToString())
    storage.close()
    transport, ledger = Scripted(), Ledger()
    exporter = Queued(
        "otlp_grpc",
        transport,
        SendingQueue(num_consumers=1, batch=batch),
        None,
        ("traces",),
        ledger,
        SystemClock(),
        random.random,
        lambda _: Storage(tmp_path / "queue.db", fsync=False, lock_timeout_s=1),
    )
    exporter.start()
    assert exporter.flush(5)
    exporter.shutdown(2)
    assert len(names(*transport.sent)) == 8
    assert ledger.items == {SENT: 8, MALFORMED: 2}
    again = Storage(tmp_path / "queue.db", fsync=False, lock_timeout_s=1)
    assert again.found == ()
    again.close()
