"""The exporters `debug` and `nop`."""

from __future__ import annotations

from otel_fe.collector.exporters.build import build
from otel_fe.collector.exporters.debug import DebugTransport
from otel_fe.collector.exporters.immediate import Immediate
from otel_fe.collector.exporters.payload import EXPORT_FAILED, SENT, Payload
from otel_fe.config.exporters import Debug, Nop
from otel_fe.config.identifiers import ComponentId
from otel_fe.testing import FakeClock
from tests.unit.collector.exporters.fakes import Ledger, logs, metrics, traces


def written(*payloads, **settings):
    lines = []
    exporter = Immediate(DebugTransport(Debug(**settings), FakeClock(), lines.append), Ledger())
    exporter.start()
    for payload in payloads:
        assert exporter.offer(payload)
    assert exporter.flush(0)
    exporter.shutdown(0)
    return lines


def test_basic_counts():
    assert written(traces(3), metrics(), logs()) == [
        "Traces: resource spans 1, spans 3",
        "Metrics: resource metrics 1, metrics 3, data points 5",
        "Logs: resource logs 1, log records 2",
    ]


def test_normal_shows_names_and_no_values():
    text = "\n".join(written(traces(1), logs(1), metrics(), verbosity="normal"))
    assert "resource_spans #0 (service.name)\nscope_spans #0 scope-1@\nspan-0 0000" in text
    assert "event-0 (user)" in text
    assert "histogram" in text
    assert "secret" not in text
    assert "shop" not in text


def test_detailed_shows_all():
    text = "\n".join(written(traces(1), logs(1), metrics(), verbosity="detailed"))
    assert "attributes: service.name = shop" in text
    assert "trace_id: 00000000000000000000000000000001" in text
    assert "body: a secret body" in text
    assert "aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE" in text
    assert "as_int: 2" in text


def test_messages_are_sampled_by_the_second():
    assert len(written(*[traces(1)] * 10)) == 10
    assert len(written(*[traces(1)] * 10, sampling_initial=2, sampling_thereafter=4)) == 4
    assert len(written(*[traces(1)] * 10, sampling_initial=3, sampling_thereafter=0)) == 3


def test_what_is_no_request_is_a_failure():
    ledger = Ledger()
    exporter = Immediate(DebugTransport(Debug(), FakeClock(), print), ledger)
    assert not exporter.offer(Payload("traces", b"\xff", 2))
    assert ledger.items == {EXPORT_FAILED: 2}
    assert exporter.counts().lost == {EXPORT_FAILED: 2}


def test_nop_lets_go():
    ledger = Ledger()
    exporter = build(ComponentId("nop"), Nop(), {}, ledger)
    exporter.start()
    assert exporter.offer(traces(2))
    exporter.shutdown(0)
    assert ledger.items == {SENT: 2}
    assert exporter.counts().sent == 2
