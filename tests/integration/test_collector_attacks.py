"""A collector under attack: well-behaved senders are served meanwhile, and it ends in time."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import threading
import time

import grpc
import pytest

from otel_fe.collector.servers import nghttp2
from tests.real.parts import missing
from tests.unit.collector import running as running_module
from tests.unit.collector.running import EXPORT, config, export, request, running

PROTOBUF = {"Content-Type": "application/x-protobuf"}
HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
MIB = 1 << 20


def post(collector, body, headers=PROTOBUF):
    connection = http.client.HTTPConnection(collector.http, timeout=20)
    try:
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def connect(collector):
    return socket.create_connection(collector.http.split(":"), timeout=20)


def traces(first=1):
    return request(first, first + 1).SerializeToString()


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    limits = "{limit_mib: 400, check_interval: 100ms}"
    with running(tmp_path_factory.mktemp("attacked"), config(before=limits)) as process:
        yield process
        process.stop()


def test_half_heads_on_every_connection(collector):
    """More than the server holds: a new sender is served, and is not reset."""
    with contextlib.ExitStack() as stack:
        for _ in range(1_005):
            client = stack.enter_context(connect(collector))
            with contextlib.suppress(ConnectionError):
                client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost:")
        assert [post(collector, traces(0x100 + number)) for number in range(5)] == [200] * 5


def test_unfinished_bodies_take_a_bounded_part_of_the_memory(collector):
    """60 senders that each leave 20 MB unfinished: a gigabyte, were all of them held."""
    before = collector.sums()["otelcol_process_memory_rss_bytes"]
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            client = stack.enter_context(connect(collector))
            with contextlib.suppress(OSError):
                client.sendall(HEAD + b"Content-Length: 20000000\r\n\r\n")
                client.sendall(bytes(19_000_000))
        assert post(collector, traces(0x200)) == 200
        assert collector.sums()["otelcol_process_memory_rss_bytes"] < before + 200 * MIB
    deadline_s = time.monotonic() + 10
    while post(collector, traces(0x210)) != 200:  # memory comes back to the system in its own time
        assert time.monotonic() < deadline_s


@pytest.mark.parametrize("server", ["nghttp2", "grpcio"])
def test_calls_without_a_message_do_not_hold_the_others(tmp_path, monkeypatch, server):
    """100 of them on ten connections. gRPC for Python would keep a thread for each for ever, so that some are refused."""
    if server == "nghttp2" and nghttp2.unusable():
        missing("libnghttp2")
    monkeypatch.setenv("OTEL_FE_GRPC_SERVER", server)
    ended, calls = threading.Event(), []

    def nothing():
        ended.wait(30)
        yield from ()

    with running(tmp_path, config()) as collector, contextlib.ExitStack() as stack:
        for _ in range(10):
            own = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(collector.grpc, own))
            calls += [channel.stream_unary(EXPORT).future(nothing()) for _ in range(10)]  # one let go of is cancelled
        time.sleep(0.5)
        began_s = time.monotonic()
        export(collector.grpc, traces(0x300))
        assert time.monotonic() - began_s < 10
        assert (collector.sums().get("otelcol_receiver_refused_requests:slow", 0) > 0) == (server == "grpcio")
        ended.set()
        collector.stop()


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceSpans":[' + b"{}," * 3_000_000 + b"{}]}",
        b"[" * 9_000_000,
        b'{"resourceSpans":' + b'{"a":' * 1_000_000,
    ],
)
def test_json_of_nothing_is_refused_at_once(collector, body):
    """Before an object is made of it: nine megabytes took 13 s of CPU."""
    before = collector.sums()["otelcol_process_memory_rss_bytes"]
    assert post(collector, body, {"Content-Type": "application/json"}) in {400, 413}
    assert collector.sums()["otelcol_process_memory_rss_bytes"] < before + 100 * MIB


def test_it_ends_in_time_while_requests_are_at_work(tmp_path):
    """Eight requests with as much JSON as is read, and calls without an end."""
    span = b'{"traceId":"' + b"1" * 32 + b'","spanId":"' + b"1" * 16 + b'","attributes":[' + b"{}," * 240_000 + b"{}]}"
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + span + b"]}]}]}"
    with running(tmp_path, config()) as collector, contextlib.ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(connect(collector))
            client.sendall(HEAD.replace(b"x-protobuf", b"json") + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        channel = stack.enter_context(grpc.insecure_channel(collector.grpc))
        call = channel.stream_unary(EXPORT).future(iter(lambda: time.sleep(1) or b"", None))
        time.sleep(0.5)
        collector.process.send_signal(signal.SIGTERM)
        assert collector.process.wait(12) == 0
        call.cancel()
        collector.stop()


def test_connections_leave_files_for_the_rest(tmp_path, monkeypatch):
    """With 256 file descriptors and more connections than that, new senders are served, and the queue is written."""
    limited = tmp_path / "otel-fe"
    limited.write_text(f'#!/bin/sh\nulimit -n 256\nexec {running_module.OTEL_FE} "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr(running_module, "OTEL_FE", limited)
    storage = f"{{file_storage: {{directory: {tmp_path / 'queue'}, create_directory: true}}}}"
    text = config(extensions=storage, exporter=", sending_queue: {storage: file_storage}")
    with running(tmp_path, text) as collector, contextlib.ExitStack() as stack:
        for _ in range(400):
            client = stack.enter_context(connect(collector))
            with contextlib.suppress(ConnectionError):
                client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost:")
        assert [post(collector, traces(0x500 + number)) for number in range(5)] == [200] * 5
        export(collector.grpc, traces(0x600))
        collector.stop()
        assert "Too many open files" not in collector.log
        assert "Traceback" not in collector.log
