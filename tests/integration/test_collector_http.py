"""OTLP/HTTP against the specification, and against those who do not keep to it."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib

import pytest
import zstandard
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_fe.wire.json import from_protobuf
from tests.unit.collector.running import config, request, running

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
LARGEST = 200_000


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    keys = (
        f", max_request_body_size: {LARGEST}, read_timeout: 2s, response_headers: {{x-who: us}}"
        ", cors: {allowed_origins: ['https://*.example'], max_age: 60}"
    )
    with running(tmp_path_factory.mktemp("http"), config(http_keys=keys)) as process:
        yield process
        process.stop()


def post(collector, body, headers, path="/v1/traces", method="POST"):
    """Send a request on a connection of its own; return status, headers and body of the answer."""
    connection = http.client.HTTPConnection(collector.http, timeout=20)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def traces(first=1):
    return request(first, first + 1).SerializeToString()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_content_encodings(collector, encoding, pack):
    """Packed or not, the answer is an empty success in the request's encoding."""
    headers = PROTOBUF | ({"Content-Encoding": encoding} if encoding else {})
    before = collector.sums().get("otelcol_receiver_accepted_spans", 0) if encoding else None
    status, answered, body = post(collector, pack(traces(0x100)), headers)
    assert (status, body, answered["content-type"]) == (200, b"", "application/x-protobuf")
    assert answered["x-who"] == "us"
    if before is not None:
        assert collector.sums()["otelcol_receiver_accepted_spans"] == before + 4


def test_json(collector):
    """JSON is answered with JSON, a partial success included."""
    made = request(0x200, spans=2)
    made.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    body = from_protobuf("traces", made.SerializeToString())
    status, headers, answer = post(collector, body, {"Content-Type": "application/json; charset=utf-8"})
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(answer)["partialSuccess"]["rejectedSpans"] == "1"
    assert post(collector, b"{}", JSON)[::2] == (200, b"{}")


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_other_signals(collector, signal):
    """An empty request is a request."""
    assert post(collector, b"", PROTOBUF, f"/v1/{signal}")[0] == 200
    assert post(collector, b"{}", JSON, f"/v1/{signal}")[0] == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"rubbish", PROTOBUF),
        (b"{", JSON),
        (b'{"resourceSpans": 1}', JSON),
        (b"[" * 50_000, JSON),
        (b"rubbish", PROTOBUF | {"Content-Encoding": "gzip"}),
        (gzip.compress(b"12345", mtime=0)[:-4], PROTOBUF | {"Content-Encoding": "gzip"}),
        (b"rubbish", PROTOBUF | {"Content-Encoding": "zstd"}),
        (gzip.compress(b"", mtime=0) * 1_000, PROTOBUF | {"Content-Encoding": "gzip"}),
    ],
)
def test_rubbish_is_400_with_a_status_in_the_request_s_encoding(collector, body, headers):
    """`google.rpc.Status`, code INVALID_ARGUMENT, and why."""
    status, answered, answer = post(collector, body, headers)
    assert (status, answered["content-type"]) == (400, headers["Content-Type"])
    if headers["Content-Type"] == "application/json":
        assert json.loads(answer)["code"] == 3
    else:
        found = status_pb2.Status.FromString(answer)
        assert found.code == 3
        assert found.message
    assert "retry-after" not in answered


def test_404_405_415(collector):
    """Paths, methods, content types and encodings that are none of ours."""
    assert post(collector, b"", PROTOBUF, "/v1/nonsense")[0] == 404
    status, headers, _ = post(collector, None, {}, method="GET")
    assert (status, headers["allow"]) == (405, "POST")
    assert post(collector, None, {}, method="HEAD")[0] == 405
    assert post(collector, traces(), {"Content-Type": "text/plain"})[0] == 415
    assert post(collector, traces(), {})[0] == 415
    assert post(collector, traces(), PROTOBUF | {"Content-Encoding": "br"})[0] == 415
    assert post(collector, traces(), PROTOBUF | {"Content-Encoding": "gzip, gzip"})[0] == 415


def test_413_by_its_head_before_its_body(collector):
    """A request whose Content-Length exceeds the limit gets 413 before its body is sent."""
    with socket.create_connection(collector.http.split(":")) as client:
        client.settimeout(10)
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 900000000\r\n\r\n"
        )
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_413_while_its_body_comes_in_chunks(collector):
    """A chunked request gets 413 as soon as its body exceeds the limit."""

    def chunks():
        for _ in range(20):
            yield bytes(50_000)

    status, _, body = post(collector, chunks(), PROTOBUF)
    assert status == 413
    assert "larger" in status_pb2.Status.FromString(body).message


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate"])
def test_bombs_are_413_and_take_no_room(collector, encoding):
    """A small body that would become a gigabyte."""
    before = collector.sums()["otelcol_process_memory_rss_bytes"]
    if encoding == "zstd":
        packer = zstandard.ZstdCompressor(level=1).compressobj()
    else:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    block = bytes(1 << 20)
    blocks = 180 if encoding != "zstd" else 1024
    bomb = b"".join([*[packer.compress(block) for _ in range(blocks)], packer.flush()])
    assert len(bomb) <= LARGEST
    assert post(collector, bomb, PROTOBUF | {"Content-Encoding": encoding})[0] == 413
    assert collector.sums()["otelcol_process_memory_rss_bytes"] < before + (32 << 20)


def test_chunked_and_keep_alive(collector):
    """Many requests on one connection, with and without a declared length, and with the body asked for first."""
    connection = http.client.HTTPConnection(collector.http, timeout=20)
    for number in range(5):
        connection.request("POST", "/v1/traces", iter([traces(0x300 + number)]), PROTOBUF)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        connection.request("POST", "/v1/traces", traces(0x310 + number), PROTOBUF)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()
    body = traces(0x320)
    with socket.create_connection(collector.http.split(":")) as client:
        client.settimeout(10)
        head = (
            "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode())
        assert client.recv(1024).startswith(b"HTTP/1.1 100")
        client.sendall(body)
        assert client.recv(1024).startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order(collector):
    """Two requests in one packet."""
    body = traces(0x330)
    one = (
        f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    with socket.create_connection(collector.http.split(":")) as client:
        client.settimeout(10)
        client.sendall(one + one[:50])
        time.sleep(0.1)
        client.sendall(one[50:])
        got = b""
        while got.count(b"HTTP/1.1 200") < 2:
            got += client.recv(4096)


@pytest.mark.parametrize(
    "start",
    [
        b"POST /v1/traces HT",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100\r\n\r\nabc",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_slow_clients_are_cut_off(collector, start):
    """One byte now and then does not keep a connection: `read_timeout` is for the whole request."""
    began = time.monotonic()
    with socket.create_connection(collector.http.split(":")) as client:
        client.settimeout(10)
        client.sendall(start)
        with pytest.raises((ConnectionError, BrokenPipeError)):
            while True:
                time.sleep(0.3)
                client.sendall(b"a")
                assert time.monotonic() - began < 8
    assert time.monotonic() - began > 1
    assert post(collector, traces(0x340), PROTOBUF)[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\nHost: x\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\n" + b"X-Long: " + b"a" * 40_000 + b"\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_http_is_refused(collector, sent):
    """Input that is no HTTP gets a 4xx where that is possible, and its connection is closed."""
    with socket.create_connection(collector.http.split(":")) as client:
        client.settimeout(10)
        client.sendall(sent)
        got = b""
        try:
            while data := client.recv(65536):
                got += data
        except ConnectionError:
            pass
    assert not got or got.startswith(b"HTTP/1.1 4"), got
    assert post(collector, traces(0x350), PROTOBUF)[0] == 200


def test_half_requests_leave_nothing(collector):
    """Clients that go away in the middle of a body."""
    for _ in range(50):
        with socket.create_connection(collector.http.split(":")) as client:
            client.sendall(
                b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100\r\n\r\nabc"
            )
    status, _, body = post(collector, traces(0x360), PROTOBUF)
    assert (status, ExportTraceServiceResponse.FromString(body)) == (200, ExportTraceServiceResponse())


def test_many_connections_at_once(collector):
    """More than are held: the idle ones make room."""
    clients = []
    try:
        for _ in range(900):
            clients.append(socket.create_connection(collector.http.split(":")))
        assert post(collector, traces(0x370), PROTOBUF)[0] == 200
    finally:
        for client in clients:
            client.close()


def test_pages_of_allowed_origins_may_send(collector):
    """CORS, with its preflight request."""
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    status, headers, _ = post(
        collector, None, asked | {"Access-Control-Request-Headers": "content-type"}, method="OPTIONS"
    )
    assert (status, headers["access-control-allow-origin"]) == (204, "https://a.example")
    assert headers["access-control-max-age"] == "60"
    status, headers, _ = post(collector, traces(0x380), PROTOBUF | {"Origin": "https://a.example"})
    assert (status, headers["access-control-allow-origin"]) == (200, "https://a.example")
    _, headers, _ = post(collector, traces(0x381), PROTOBUF | {"Origin": "https://evil"})
    assert "access-control-allow-origin" not in headers
