"""Traces whose spans come late, through the real Collector and through ours: the same spans are kept, with the same weights."""

from __future__ import annotations

import http.client
import socket
import time

import pytest

from otel_fe.wire.decode import decode
from tests.corpus.original import GATES
from tests.corpus.wire import encode
from tests.real.collector import RunningCollector, built_collector
from tests.real.sink import OtlpSink
from tests.simulation.late_spans import SHAPES, Story, requests
from tests.simulation.test_late_spans import ERRORS, SHARE, Fleet

pytestmark = pytest.mark.timeout(180)
SLOW = "{name: slow, type: latency, latency: {threshold_ms: 2500}}"
MANY = "{name: many, type: span_count, span_count: {min_spans: 5}}"
POLICIES = (ERRORS, SLOW, MANY, SHARE)
WAIT_S = 8


def healthy(story: Story) -> None:
    """Two services, no error; the second span comes later."""
    story.span(1, 0, 0.03, service="gateway")
    story.span(2, 1, 1.0, service="worker")


def late(story: Story) -> None:
    """An error long after the decision wait."""
    story.span(1, 0, 0.03, service="gateway")
    story.span(2, 1, WAIT_S + 4.0, service="worker", error=True)


def slow_later(story: Story) -> None:
    """Slow only by a span that comes later."""
    story.span(1, 0, 0.03, service="gateway")
    story.span(2, 1, 3.5, service="worker")


def many_later(story: Story) -> None:
    """Many spans only with those that come later."""
    for number in range(1, 6):
        story.span(number, int(number > 1), 0.01 + number % 2, service="gateway" if number < 4 else "worker")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def test_the_real_collector_keeps_the_same(tmp_path_factory):
    """Ten shapes of errors after the root, healthy traces, spans after the wait: in real time there, by a fake clock here."""
    sent = sorted(
        (
            request
            for number, shape in enumerate((*SHAPES, healthy, healthy, late, slow_later, many_later))
            for request in requests(shape, 25, seed=number)
        ),
        key=lambda request: request[0],
    )
    fleet = Fleet(*POLICIES)
    for at_s, spans in sent:
        fleet.send(at_s, *spans)
    fleet.at(40)
    ours, theirs = states(fleet.exporters["nop"].data), states(_through_the_collector(sent, tmp_path_factory))
    # A late span of a kept trace has no weight there, and its trace's here: `tests/corpus/differences.py`.
    weighed = {key: ours.get(key, state) if state == "" else state for key, state in theirs.items()}
    assert ours == weighed
    assert len(ours) > 25 * 2 * len(SHAPES)
    assert sum(state == "" for state in theirs.values()) < 10
    assert fleet.counters.late_errors > 0


def states(datas):
    """Return the `tracestate` of each span that left, by the ids of its trace and its own."""
    return {(span.trace_id, span.span_id): span.trace_state for data in datas for span in decode(data).spans}


def _through_the_collector(sent, tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    address = folder / "s"
    with OtlpSink() as sink:
        config = f"""
receivers: {{otlp: {{protocols: {{http: {{transport: unix, endpoint: {address}}}}}}}}}
processors: {{tail_sampling: {{decision_wait: {WAIT_S}s, policies: [{", ".join(POLICIES)}]}}}}
exporters: {{otlp_http: {{endpoint: "{sink.url}", compression: none}}}}
service:
  telemetry: {{logs: {{level: warn}}, metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [otlp_http]}}}}
"""
        with RunningCollector(built_collector(), config, folder, [address], GATES) as collector:
            connection = _UnixConnection(str(address))
            begun_s = time.monotonic()
            for at_s, spans in sent:
                time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
                connection.request("POST", "/v1/traces", encode(spans), {"Content-Type": "application/x-protobuf"})
                answer = connection.getresponse()
                assert answer.status == 200, answer.read()
                answer.read()
            connection.close()
            time.sleep(WAIT_S + 2.5)
            collector.stop()
        return [request.SerializeToString() for request in sink.requests("/v1/traces")]
