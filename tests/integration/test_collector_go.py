"""Go's OpenTelemetry SDK and grpc-go, the libraries that most OTLP is sent with, against the collector."""

from __future__ import annotations

import time

import pytest

from tests.integration.servers import free_port
from tests.integration.test_collector_security import certificates, tls_keys
from tests.real.collector import RunningCollector, built_collector
from tests.real.go_client import result, start
from tests.unit.collector.running import Process, backend, config, running, until

__all__ = ["certificates"]  # a fixture
pytestmark = pytest.mark.timeout(300)

SPANS = 10
"""Of each trace."""
REAL = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{nop: {{}}}}
service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}}}
"""
PASS_THROUGH = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}}}
exporters: {{otlp_grpc: {{endpoint: "127.0.0.1:{backend}", tls: {{insecure: true}}, sending_queue: {queue}}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc]}}
    metrics: {{receivers: [otlp], exporters: [otlp_grpc]}}
    logs: {{receivers: [otlp], exporters: [otlp_grpc]}}
"""


@pytest.fixture(params=["nghttp2", "grpcio"])
def grpc_server(request, monkeypatch):
    """Have the collector receive by each of the two libraries."""
    monkeypatch.setenv("OTEL_FE_GRPC_SERVER", request.param)
    return request.param


def assert_arrived(sink, traces):
    """Each trace has arrived, with each of its spans once."""
    until(lambda: len(sink.spans()) >= SPANS * len(traces), told=lambda: f"{len(sink.spans())} of {len(traces)} traces")
    found = {}
    for span in sink.spans():
        found.setdefault(span.trace_id.hex(), []).append(span.span_id)
    assert set(traces) <= set(found)
    assert all(len(ids) == len(set(ids)) == SPANS for ids in found.values())


@pytest.mark.usefixtures("grpc_server")
def test_all_signals_arrive(tmp_path):
    """Compressed traces over both protocols, metrics and logs over gRPC."""
    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}")) as collector:
        sent = [result(start("sdk", grpc=collector.grpc)), result(start("sdk", http=collector.http))]
        assert [one["errors"] for one in sent] == [[], []]
        assert_arrived(sink, [trace for one in sent for trace in one["acknowledged"]])
        assert {span.name for span in sink.spans()} >= {"go root", "go child 9"}
        until(lambda: sink.logs() and any(metric.name == "go.orders" for metric in sink.metrics()))
        assert "go log" in str(sink.logs()[0])
        assert "Traceback" not in collector.log


@pytest.mark.usefixtures("grpc_server")
def test_tls_and_tokens(certificates, tmp_path):  # noqa: F811 a fixture
    """Both protocols; a wrong token is an error that the SDK does not repeat."""
    (tmp_path / "token").write_text("right")
    keys = tls_keys(certificates) + ", auth: {authenticator: bearertokenauth}"
    extensions = f"{{bearertokenauth: {{filename: {tmp_path}/token}}}}"
    with backend() as sink:
        text = config(f"127.0.0.1:{sink.port}", grpc_keys=keys, http_keys=keys, extensions=extensions)
        with running(tmp_path, text) as collector:
            acknowledged = []
            for place in ({"grpc": collector.grpc}, {"http": collector.http}):
                sent = result(start("sdk", ca=certificates / "ca.crt", token="right", **place))
                assert sent["errors"] == []
                acknowledged += sent["acknowledged"]
                refused = result(start("sdk", ca=certificates / "ca.crt", token="wrong", **place))
                assert refused["acknowledged"] == []
                assert all("send a valid bearer token" in error for error in refused["errors"])
            assert_arrived(sink, acknowledged)


CODES = {
    "export": "OK",
    "empty": "OK",
    "gzip": "OK",
    "one bad span": "OK",
    "health": "Unimplemented",
    "reflection": "Unimplemented",
    "unknown method": "Unimplemented",
    "rubbish": "InvalidArgument",
    "no message": "InvalidArgument",
    "3 MiB": "OK",
    "5 MiB": "ResourceExhausted",
    "5 MiB, gzip": "ResourceExhausted",
    "afterwards": "OK",
}


def codes(answers):
    return {name: answers[name]["code"] for name in CODES}


def test_answers_to_grpc_go(grpc_server, tmp_path):
    """Unknown services, large and damaged messages, many streams at a time, cancelled calls."""
    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}")) as collector:
        answers = result(start("calls", grpc=collector.grpc))
        assert codes(answers) == CODES
        assert answers["one bad span"]["rejected"] == 1
        # gRPC's C core refuses streams that it has granted while it has not forgotten those before; clients try again.
        refused = {"Unavailable"} if grpc_server == "grpcio" else set()
        assert sum(answers["many streams"].values()) == 1_200
        assert {"OK"} <= set(answers["many streams"]) <= {"OK"} | refused
        assert {"Canceled"} <= set(answers["cancelled calls"]) <= {"OK", "Canceled"} | refused
        assert "Traceback" not in collector.log


def test_the_real_collector_answers_the_same(tmp_path):
    """What differs: OTLP wants INVALID_ARGUMENT for a request that cannot be read; gRPC for Go answers before OTLP's code sees it."""
    port = free_port()
    with RunningCollector(built_collector(), REAL.format(port=port), tmp_path, [port]):
        answers = result(start("calls", grpc=f"127.0.0.1:{port}"))
    assert codes(answers) == CODES | {"rubbish": "Internal", "no message": "Unknown"}


@pytest.mark.usefixtures("grpc_server")
def test_the_sdk_waits_as_long_as_it_is_told(tmp_path):
    """Pressure is UNAVAILABLE with `RetryInfo` of a second: the SDK, whose own first wait is 0.1 s, waits that long, and loses nothing."""
    with backend() as sink:
        ports = {"grpc": free_port(), "http": free_port(), "backend": sink.port}
        with running(tmp_path, PASS_THROUGH.format(queue="{enabled: false}", **ports)) as collector:
            sink.refuse = True
            sending = start("sdk", grpc=collector.grpc)
            until(lambda: collector.sums().get("otelcol_receiver_refused_requests", 0) >= 4)
            sink.refuse = False
            sent = result(sending)
            assert sent["errors"] == []
            assert sent["slowest_ms"] >= 1_000
            assert_arrived(sink, sent["acknowledged"])


@pytest.mark.usefixtures("grpc_server")
def test_restarts_while_it_sends(tmp_path):
    """The client reconnects; what was acknowledged arrives, once, and no export fails."""
    with backend() as sink:
        ports = {"grpc": free_port(), "http": free_port(), "backend": sink.port}
        file = tmp_path / "collector.yaml"
        file.write_text(PASS_THROUGH.format(queue="{queue_size: 100000}", **ports))
        collector = Process(file)
        try:
            sending = start("sdk", grpc=collector.grpc, seconds=8)
            for _ in range(2):
                taken = len(sink.spans())
                until(lambda taken=taken: len(sink.spans()) > taken)
                time.sleep(0.3)
                collector.stop()
                collector = Process(file)
            sent = result(sending)
            collector.stop()
        finally:
            collector.kill()
        assert sent["errors"] == []
        assert_arrived(sink, sent["acknowledged"])
