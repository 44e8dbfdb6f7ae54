"""The real Collector beside ours: as the agent that sends to it, and as the backend that judges what it forwards."""

from __future__ import annotations

import random
import urllib.error
import urllib.request

import grpc
import pytest

from otel_fe.collector.exporters.build import build
from otel_fe.collector.exporters.payload import MALFORMED, SENT, Payload
from otel_fe.collector.servers import nghttp2
from otel_fe.config.exporters import OtlpGrpc, OtlpHttp
from otel_fe.config.identifiers import ComponentId
from otel_fe.config.transport import ClientTls
from otel_fe.wire.fields import delimited, walk
from tests.fuzz.mutations import BINARY, mutated
from tests.integration.servers import free_port
from tests.properties.test_validation import MADE
from tests.real.collector import RunningCollector, built_collector
from tests.real.parts import missing
from tests.unit.collector.exporters.fakes import Ledger
from tests.unit.collector.running import EXPORT, LOGS, METRICS, backend, export, request, running, until
from tests.unit.wire.test_validation import BAD_SPANS
from tests.unit.wire.test_validation import request as raw_request

pytestmark = pytest.mark.timeout(400)
METHODS = {"traces": EXPORT, "metrics": METRICS, "logs": LOGS}
AGENT = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters:
  {exporter}: {{endpoint: "{endpoint}", tls: {{insecure: true}}, compression: {compression}, sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}
service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: {{receivers: [otlp], exporters: [{exporter}]}}}}}}
"""
JUDGE = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}}}
exporters: {{nop: {{}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [nop]}}
    metrics: {{receivers: [otlp], exporters: [nop]}}
    logs: {{receivers: [otlp], exporters: [nop]}}
"""
OURS = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "localhost:0"}}, http: {{endpoint: "localhost:0"}}}}}}}}
processors:
  tail_sampling: {{decision_wait: 1s, policies: [{{name: all, type: always_sample}}]}}
  batch: {{timeout: 100ms, send_batch_size: 2000}}
exporters:
  otlp_grpc: {{endpoint: "127.0.0.1:{grpc}", tls: {{insecure: true}}}}
  otlp_http: {{endpoint: "http://127.0.0.1:{http}"}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [tail_sampling, batch], exporters: [otlp_grpc]}}
    traces/plain: {{receivers: [otlp], processors: [batch], exporters: [otlp_http]}}
    metrics: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [otlp_http]}}
"""


def send_by_agent(folder, address: str, exporter: str, compression: str, sent: bytes) -> None:
    """Send a request through a real Collector that compresses; its answer says what ours said."""
    port = free_port()
    endpoint = address if exporter == "otlp" else f"http://{address}"
    agent = AGENT.format(port=port, exporter=exporter, endpoint=endpoint, compression=compression)
    with RunningCollector(built_collector(), agent, folder, [port]):
        export(f"127.0.0.1:{port}", sent)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    with backend() as sink:
        text = OURS.format(grpc=sink.port, http=free_port()).replace("exporters: [otlp_http]", "exporters: [otlp_grpc]")
        with running(tmp_path_factory.mktemp("ours"), text) as collector:
            yield collector, sink


@pytest.mark.parametrize(
    ("exporter", "compression"),
    [
        *[("otlp", one) for one in ("none", "gzip", "zstd", "snappy")],
        *[("otlphttp", one) for one in ("none", "gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4")],
    ],
)
def test_an_agent_sends_with_each_compression_that_is_read_here(ours, tmp_path, exporter, compression):
    if exporter == "otlp" and compression in ("zstd", "snappy") and nghttp2.unusable():
        missing("libnghttp2")  # gRPC for Python does not read them
    collector, sink = ours
    trace = random.getrandbits(64) | 1
    address = collector.grpc if exporter == "otlp" else collector.http
    send_by_agent(tmp_path, address, exporter, compression, request(trace, spans=50).SerializeToString())
    until(lambda: sum(span.trace_id == trace.to_bytes(16, "big") for span in sink.spans()) >= 50)


def test_over_http_the_answer_names_the_compressions_that_are_read(ours):
    """RFC 9110, 12.5.3: 415 with `Accept-Encoding`."""
    collector, _ = ours
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "br"}
    post = urllib.request.Request(f"http://{collector.http}/v1/traces", b"x", headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(post)
    refused.value.close()
    assert refused.value.code == 415
    assert refused.value.headers["Accept-Encoding"] == "gzip, deflate, zstd, snappy, x-snappy-framed, lz4, identity"


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Yield the ports of a real Collector, whose decoder is Go's own."""
    ports = {"grpc": free_port(), "http": free_port()}
    folder = tmp_path_factory.mktemp("judge")
    with RunningCollector(built_collector(), JUDGE.format(**ports), folder, list(ports.values())):
        yield ports


def test_the_collector_reads_all_that_is_forwarded(judge, tmp_path):
    """Requests of several senders with damage of every kind, of all signals: what was accepted arrives, and nothing is refused."""
    drawn = random.Random(15)
    with running(tmp_path, OURS.format(**judge)) as collector:
        accepted = dict.fromkeys(MADE, 0)
        for number in range(600):
            signal = drawn.choice(list(MADE))
            good, other = MADE[signal](2).SerializeToString(), MADE[signal](1).SerializeToString()
            (of_resource,) = walk(other, 0, len(other))
            inside = other[of_resource.value : of_resource.end]
            damaged = delimited(1, mutated(drawn, inside, inside, BINARY) if number % 3 else inside)
            try:
                export(collector.grpc, good + damaged + good, METHODS[signal])
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
                continue
            accepted[signal] += 1
        assert min(accepted.values()) > 20
        for bad, _ in BAD_SPANS.values():
            export(collector.grpc, MADE["traces"](1).SerializeToString() + raw_request(bad))
        until(lambda: not collector.sums()["otelcol_exporter_queue_size"])
        collector.stop()
        assert "items are being dropped" not in collector.log
        assert "malformed" not in collector.log
        assert " 0 dropped" in collector.log.splitlines()[-1]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_collector_refuses_a_batch_and_the_culprit_alone_is_lost(judge, protocol):
    """A batch that the Collector refuses (INTERNAL or HTTP 400) is split until only the malformed spans are lost."""
    culprits = [bad for bad, reason in BAD_SPANS.values() if reason in ("malformed", "invalid_id")][:3]
    good = MADE["traces"](20).SerializeToString()
    payload = Payload("traces", good + b"".join(map(raw_request, culprits)) + good, 80 + len(culprits))
    settings = (
        OtlpGrpc(f"127.0.0.1:{judge['grpc']}", tls=ClientTls(insecure=True))
        if protocol == "grpc"
        else OtlpHttp(f"http://127.0.0.1:{judge['http']}")
    )
    ledger = Ledger()
    exporter = build(ComponentId("otlp"), settings, {}, ledger)
    exporter.start()
    exporter.offer(payload)
    assert exporter.flush(30)
    exporter.shutdown(5)
    assert ledger.items == {SENT: 80, MALFORMED: len(culprits)}
