"""The exporters against real sockets: gRPC and HTTP servers, TLS, a backend that comes and goes, `kill -9`, a full disk."""

from __future__ import annotations

import gzip
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otel_fe.collector.exporters.build import build
from otel_fe.collector.exporters.payload import EXPORT_FAILED, RETRY_EXHAUSTED, SENT, STORAGE_FULL, STORED, Payload
from otel_fe.collector.exporters.storage_errors import StorageError
from otel_fe.config.exporters import GrpcClientKeepalive, OtlpGrpc, OtlpHttp
from otel_fe.config.extensions import BearerTokenAuth, FileStorage
from otel_fe.config.identifiers import ComponentId
from otel_fe.config.sending import Retry, SendingQueue
from otel_fe.config.transport import ClientTls
from tests.integration.conftest import missing
from tests.integration.servers import free_port
from tests.unit.collector.exporters.fakes import Ledger, logs, metrics, span_names, traces

NAME = ComponentId("otlp_grpc", "backend")
AUTH = ComponentId("bearertokenauth")
DISK = ComponentId("file_storage")
PLAIN = ClientTls(insecure=True)
SOON = Retry(initial_interval_ns=20_000_000, max_interval_ns=50_000_000, max_elapsed_time_ns=0)
RESPONSE = ExportTraceServiceResponse


class Backend:
    """A server's received requests (path, headers, bytes), and its answers: from a list first, then success."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.accepted: list[bytes] = []
        self.lock = threading.Lock()
        self.port = 0

    def note(self, path, headers, data):
        with self.lock:
            self.received.append((path, headers, data))
            self.times.append(time.monotonic())
            answer = self.answers.pop(0) if self.answers else None
            if answer is None:
                self.accepted.append(data)
            return answer


@contextmanager
def grpc_server(backend, credentials=None, port=0):
    class AnyCall(grpc.GenericRpcHandler):
        def service(self, call):
            def export(data, context):
                metadata = dict(context.invocation_metadata())
                answer = backend.note(call.method, metadata, data)
                if answer is None:
                    return b""
                if isinstance(answer, bytes):
                    return answer
                code, retry_s = answer
                if retry_s is not None:
                    detail = error_details_pb2.RetryInfo()
                    detail.retry_delay.FromMilliseconds(int(retry_s * 1000))
                    status = status_pb2.Status(code=code.value[0])
                    status.details.add().Pack(detail)
                    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                return context.abort(code, "as the test wants it")

            return grpc.unary_unary_rpc_method_handler(export)

    server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((AnyCall(),))
    address = f"localhost:{port}"
    backend.port = (
        server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    )
    server.start()
    try:
        yield backend
    finally:
        server.stop(0).wait()


@contextmanager
def http_server(backend, context=None, port=0):
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            answer = backend.note(self.path, {key.lower(): value for key, value in self.headers.items()}, data)
            status, headers, body = answer or (200, {}, b"")
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # handshakes that are meant to fail

        def finish_request(self, request, client_address):
            if context is None:
                return super().finish_request(request, client_address)
            with context.wrap_socket(request, server_side=True) as secured:
                return super().finish_request(secured, client_address)

    server = Server(("localhost", port), Answers)
    backend.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running(settings, extensions=None, signals=("traces", "metrics", "logs"), ledger=None):
    ledger = ledger if ledger is not None else Ledger()
    exporter = build(NAME, settings, extensions or {}, ledger, signals)
    exporter.start()
    try:
        yield exporter, ledger
    finally:
        exporter.shutdown(2)


def over_grpc(port, **changed):
    return OtlpGrpc(f"localhost:{port}", **{"tls": PLAIN, "retry_on_failure": SOON, **changed})


def over_http(port, **changed):
    scheme = "https" if "tls" in changed else "http"
    return OtlpHttp(f"{scheme}://localhost:{port}", **{"retry_on_failure": SOON, **changed})


def send(settings, *payloads, extensions=None, timeout_s=20):
    """Send payloads through an exporter made for it; returns what was settled and counted."""
    with running(settings, extensions) as (exporter, ledger):
        for payload in payloads or (traces(3),):
            exporter.offer(payload)
        assert exporter.flush(timeout_s)
        return ledger, exporter.counts()


def eventually(check, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


SERVERS = pytest.mark.parametrize(
    ("server", "settings"), [(grpc_server, over_grpc), (http_server, over_http)], ids=["grpc", "http"]
)


@SERVERS
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_bytes_arrive_as_they_are(server, settings, compression):
    payloads = [traces(3), metrics(), logs()]
    with server(Backend()) as backend:
        made = settings(backend.port, compression=compression, headers={"X-Tenant": "shop"})
        ledger, counts = send(made, *payloads)
    assert sorted(data for _, _, data in backend.received) == sorted(payload.data for payload in payloads)
    paths = {data: path for path, _, data in backend.received}
    expected = {
        grpc_server: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        http_server: "/v1/traces",
    }
    assert paths[payloads[0].data] == expected[server]
    headers = backend.received[0][1]
    assert headers["x-tenant"] == "shop"
    assert headers["user-agent"].startswith("otel-fe/")
    if server is http_server:
        assert headers["content-type"] == "application/x-protobuf"
        assert headers.get("content-encoding") == ("gzip" if compression == "gzip" else None)
    assert ledger.items == {SENT: 10}
    assert counts.sent == 10


@SERVERS
def test_partial_success_is_counted_and_said(server, settings, caplog):
    answer = RESPONSE()
    answer.partial_success.rejected_spans = 2
    answer.partial_success.error_message = "too old"
    body = answer.SerializeToString()
    reply = body if server is grpc_server else (200, {"Content-Type": "application/x-protobuf"}, body)
    with server(Backend(reply)) as backend:
        _, counts = send(settings(backend.port))
    assert (counts.sent, counts.rejected) == (3, 2)
    assert "too old" in caplog.text


def test_partial_success_in_json():
    body = json.dumps({"partialSuccess": {"rejectedSpans": "1"}}).encode()
    with http_server(Backend((200, {"Content-Type": "application/json; charset=utf-8"}, body))) as backend:
        assert send(over_http(backend.port))[1].rejected == 1


@pytest.mark.parametrize(
    "code", ["CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"]
)
def test_grpc_codes_that_may_pass(code):
    with grpc_server(Backend((grpc.StatusCode[code], None))) as backend:
        ledger, counts = send(over_grpc(backend.port))
    assert (ledger.items, counts.failed_tries, len(backend.received)) == ({SENT: 3}, 1, 2)


@pytest.mark.parametrize(
    "code", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "UNIMPLEMENTED", "INTERNAL", "RESOURCE_EXHAUSTED"]
)
def test_grpc_codes_that_do_not(code):
    """RESOURCE_EXHAUSTED is among them where the server does not say that it will recover."""
    split = code in ("INVALID_ARGUMENT", "INTERNAL")
    with grpc_server(Backend(*[(grpc.StatusCode[code], None)] * 9)) as backend:
        ledger, counts = send(over_grpc(backend.port))
    assert (ledger.items, len(backend.received)) == ({EXPORT_FAILED: 3}, 5 if split else 1)
    assert counts.lost == {EXPORT_FAILED: 3}


def test_grpc_retry_info_is_waited_for():
    with grpc_server(Backend((grpc.StatusCode.RESOURCE_EXHAUSTED, 0.4))) as backend:
        ledger, _ = send(over_grpc(backend.port))
    assert ledger.items == {SENT: 3}
    assert backend.times[1] - backend.times[0] >= 0.4


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_http_statuses_that_may_pass(status):
    with http_server(Backend((status, {}, b"busy"))) as backend:
        assert send(over_http(backend.port))[0].items == {SENT: 3}


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413, 500, 501])
def test_http_statuses_that_do_not(status, caplog):
    body = status_pb2.Status(message="no such thing").SerializeToString()
    headers = {"Content-Type": "application/x-protobuf", "Location": "/v1/elsewhere"}
    with http_server(Backend(*[(status, headers, body)] * 9)) as backend:
        assert send(over_http(backend.port))[0].items == {EXPORT_FAILED: 3}
    assert len(backend.received) == (5 if status in (400, 413) else 1)
    assert f"HTTP {status}: no such thing" in caplog.text


@pytest.mark.parametrize("status", [429, 503])
def test_http_retry_after_in_seconds(status):
    with http_server(Backend((status, {"Retry-After": "1"}, b""))) as backend:
        send(over_http(backend.port))
    assert backend.times[1] - backend.times[0] >= 1


def test_http_retry_after_as_a_date():
    with http_server(Backend((429, {"Retry-After": formatdate(time.time() + 2, usegmt=True)}, b""))) as backend:
        send(over_http(backend.port))
    assert 0.9 <= backend.times[1] - backend.times[0] <= 3


def test_http_retry_after_beyond_the_longest_time_gives_up():
    retry = Retry(initial_interval_ns=20_000_000, max_elapsed_time_ns=1_000_000_000)
    with http_server(Backend((429, {"Retry-After": "60"}, b""))) as backend:
        ledger, _ = send(over_http(backend.port, retry_on_failure=retry))
    assert ledger.items == {RETRY_EXHAUSTED: 3}


def test_a_server_that_does_not_answer_is_left_after_the_timeout():
    import socket

    with socket.socket() as silent:
        silent.bind(("localhost", 0))
        silent.listen()
        port = silent.getsockname()[1]
        for settings in (over_http, over_grpc):
            began = time.monotonic()
            ledger, _ = send(settings(port, timeout_ns=200_000_000, retry_on_failure=None))
            assert ledger.items == {RETRY_EXHAUSTED: 3}
            assert time.monotonic() - began < 5


def test_a_shutdown_does_not_wait_for_a_server_that_does_not_answer():
    import socket

    with socket.socket() as silent:
        silent.bind(("localhost", 0))
        silent.listen()
        for settings in (over_http, over_grpc):
            with running(settings(silent.getsockname()[1])) as (exporter, ledger):
                exporter.offer(traces(3))
                began = time.monotonic()
                exporter.shutdown(0.2)
                assert time.monotonic() - began < 4
                assert ledger.items == {"shutdown": 3}


def test_grpc_pings_as_configured():
    keepalive = GrpcClientKeepalive(20 * 10**9, 5 * 10**9, permit_without_stream=True)
    with grpc_server(Backend()) as backend:
        settings = over_grpc(backend.port, keepalive=keepalive, authority="shop.example", user_agent="shop/1")
        assert send(settings)[0].items == {SENT: 3}
    assert backend.received[0][1]["user-agent"].startswith("shop/1")


@pytest.fixture(scope="module")
def authority():
    import trustme

    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    client = authority.issue_cert("client@example.org")
    client.private_key_pem.write_to_path(folder / "key.pem")
    client.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key")}


class TestTls:
    @contextmanager
    def serving(self, server, authority, *, mutual=False, host="localhost"):
        issued = authority.issue_cert(host)
        if server is grpc_server:
            pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
            root = authority.cert_pem.bytes() if mutual else None
            secured = grpc.ssl_server_credentials([pair], root, require_client_auth=mutual)
        else:
            secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            issued.configure_cert(secured)
            if mutual:
                secured.verify_mode = ssl.CERT_REQUIRED
                authority.configure_trust(secured)
        with server(Backend(), secured) as backend:
            yield backend

    @SERVERS
    def test_a_server_that_the_ca_vouches_for(self, server, settings, authority, files):
        with self.serving(server, authority) as backend:
            assert send(settings(backend.port, tls=ClientTls(ca_file=files["ca"])))[0].items == {SENT: 3}
            text = authority.cert_pem.bytes().decode()
            assert send(settings(backend.port, tls=ClientTls(ca_pem=text, min_version="1.2")))[0].items == {SENT: 3}

    @SERVERS
    def test_any_other_is_refused(self, server, settings, authority):
        with self.serving(server, authority) as backend:
            ledger, _ = send(settings(backend.port, tls=ClientTls(), retry_on_failure=None))
        assert ledger.items == {RETRY_EXHAUSTED: 3}
        assert not backend.received

    @SERVERS
    def test_another_host_name_is_refused(self, server, settings, authority, files):
        with self.serving(server, authority, host="other.example") as backend:
            tls = ClientTls(ca_file=files["ca"])
            assert send(settings(backend.port, tls=tls, retry_on_failure=None))[0].items == {RETRY_EXHAUSTED: 3}
        assert not backend.received

    def test_grpc_may_expect_another_name(self, authority, files):
        with self.serving(grpc_server, authority, host="other.example") as backend:
            tls = ClientTls(ca_file=files["ca"], server_name_override="other.example")
            assert send(over_grpc(backend.port, tls=tls))[0].items == {SENT: 3}

    def test_http_may_skip_verification(self, authority):
        with self.serving(http_server, authority, host="other.example") as backend:
            assert send(over_http(backend.port, tls=ClientTls(insecure_skip_verify=True)))[0].items == {SENT: 3}

    @SERVERS
    def test_mutual_tls_refuses_those_without_a_certificate(self, server, settings, authority, files):
        with self.serving(server, authority, mutual=True) as backend:
            alone = ClientTls(ca_file=files["ca"])
            assert send(settings(backend.port, tls=alone, retry_on_failure=None))[0].items == {RETRY_EXHAUSTED: 3}
            assert not backend.received
            both = ClientTls(ca_file=files["ca"], cert_file=files["cert"], key_file=files["key"])
            assert send(settings(backend.port, tls=both))[0].items == {SENT: 3}

    @SERVERS
    def test_a_bearer_token_is_sent(self, server, settings, authority, files):
        with self.serving(server, authority) as backend:
            made = settings(backend.port, tls=ClientTls(ca_file=files["ca"]), auth=AUTH)
            send(made, extensions={AUTH: BearerTokenAuth(tokens=("abc",))})
        assert backend.received[0][1]["authorization"] == "Bearer abc"


def test_a_token_that_is_not_there_yet_is_waited_for(tmp_path):
    file = tmp_path / "token"
    with http_server(Backend()) as backend:
        extensions = {AUTH: BearerTokenAuth(filename=str(file))}
        with running(over_http(backend.port, auth=AUTH), extensions) as (exporter, _):
            exporter.offer(traces(1))
            time.sleep(0.1)
            assert not backend.received
            file.write_text("late")
            assert exporter.flush(10)
    assert backend.received[0][1]["authorization"] == "Bearer late"


@SERVERS
def test_a_backend_that_is_down_for_a_while(server, settings, caplog):
    """A backend outage loses no span and never blocks the caller, and logs two lines."""
    port = free_port()
    caplog.set_level(logging.WARNING)
    with running(settings(port)) as (exporter, ledger):
        slowest = 0.0
        for number in range(100):
            began = time.monotonic()
            assert exporter.offer(traces(5, first=number * 5))
            slowest = max(slowest, time.monotonic() - began)
        eventually(lambda: exporter.counts().failed_tries > 20)
        assert slowest < 0.2
        with server(Backend(), port=port) as backend:
            assert exporter.flush(30)
        assert ledger.items == {SENT: 500}
        assert sorted(span_names(*backend.accepted)) == sorted(f"span-{number}" for number in range(500))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, said
    assert "cannot be reached" in said[0]
    assert "is back after" in said[1]


def test_exporters_settle_independently():
    """One backend is well, one refuses, one is dead: each payload is settled once by each, for its own reason."""
    with grpc_server(Backend()) as well, http_server(Backend(*[(404, {}, b"")] * 20)) as refusing:
        given = [
            over_grpc(well.port),
            over_http(refusing.port),
            over_grpc(free_port(), sending_queue=SendingQueue(num_consumers=1, queue_size=5)),
        ]
        ledgers = [Ledger(), Ledger(), Ledger()]
        exporters = [build(NAME, settings, {}, ledger) for settings, ledger in zip(given, ledgers, strict=True)]
        for exporter in exporters:
            exporter.start()
        for number in range(20):
            payload = traces(2, tally=number)
            for exporter in exporters:
                exporter.offer(payload)
        assert exporters[0].flush(10)
        assert exporters[1].flush(10)
        assert ledgers[0].items == {SENT: 40}
        assert ledgers[1].items == {EXPORT_FAILED: 40}
        for exporter in exporters:
            exporter.shutdown(1)
    assert ledgers[2].items == {"queue_full": 30, "shutdown": 10}
    for ledger in ledgers:
        assert sorted(tally for tally, _ in ledger.tallies) == list(range(20))


def test_without_a_queue_an_offer_does_not_wait_either():
    import socket

    with socket.socket() as silent:
        silent.bind(("localhost", 0))
        silent.listen()
        with running(over_grpc(silent.getsockname()[1], sending_queue=None)) as (exporter, ledger):
            began = time.monotonic()
            taken = sum(exporter.offer(traces(1)) for _ in range(50))
            assert time.monotonic() - began < 4
            assert (taken, ledger.items) == (10, {"queue_full": 40})
            exporter.shutdown(0.1)


CHILD = textwrap.dedent(
    """
    import sys
    from otel_fe.collector.exporters.build import build
    from otel_fe.config.exporters import OtlpGrpc
    from otel_fe.config.extensions import FileStorage
    from otel_fe.config.identifiers import ComponentId
    from otel_fe.config.sending import Retry, SendingQueue
    from otel_fe.config.transport import ClientTls
    from tests.unit.collector.exporters.fakes import Ledger, traces

    directory, port, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    disk = ComponentId("file_storage")
    settings = OtlpGrpc(
        f"localhost:{port}",
        tls=ClientTls(insecure=True),
        sending_queue=SendingQueue(queue_size=100_000, storage=disk),
        retry_on_failure=Retry(initial_interval_ns=20_000_000, max_interval_ns=50_000_000, max_elapsed_time_ns=0),
    )
    exporter = build(
        ComponentId("otlp_grpc"), settings, {disk: FileStorage(directory)}, Ledger(), ("traces",)
    )
    exporter.start()
    number = first
    while True:
        if exporter.offer(traces(1, first=number)):
            sys.stdout.write(f"{number}\\n")  # acknowledged
            sys.stdout.flush()
        number += 1
    """
)


def acknowledged_until_killed(directory, port, first, seconds):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(port), str(first)], stdout=subprocess.PIPE, text=True
    )
    numbers = []
    reader = threading.Thread(target=lambda: numbers.extend(int(line) for line in child.stdout if line.endswith("\n")))
    reader.start()
    eventually(lambda: numbers)
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    reader.join()
    child.stdout.close()
    return numbers


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path):
    """Killed three times, while the backend is up, while it is down, and again while it is up."""
    port = free_port()
    acknowledged = []
    received = []
    for round_, up in enumerate((True, False, True)):
        backend = Backend()
        if up:
            with grpc_server(backend, port=port):
                acknowledged += acknowledged_until_killed(tmp_path, port, round_ * 10_000_000, 0.2)
        else:
            acknowledged += acknowledged_until_killed(tmp_path, port, round_ * 10_000_000, 0.2)
        received += span_names(*backend.accepted)
    left = over_grpc(port, sending_queue=SendingQueue(queue_size=100_000, storage=DISK))
    with grpc_server(Backend(), port=port) as backend:
        exporter = build(ComponentId("otlp_grpc"), left, {DISK: FileStorage(str(tmp_path))}, Ledger(), ("traces",))
        exporter.start()
        assert exporter.flush(60)
        exporter.shutdown(1)
    received += span_names(*backend.accepted)
    lost = {f"span-{number}" for number in acknowledged} - set(received)
    assert len(acknowledged) > 100
    assert not lost
    # At least once: what was under way or about to be removed when the process died may come twice, and no more than that.
    assert len(received) - len(set(received)) <= 3 * 20


def test_a_second_process_is_told_who_has_the_directory(tmp_path):
    settings = over_grpc(free_port(), sending_queue=SendingQueue(storage=DISK))
    extensions = {DISK: FileStorage(str(tmp_path), timeout_ns=50_000_000)}
    with running(settings, extensions):
        code = textwrap.dedent(
            f"""
            from otel_fe.collector.exporters.build import open_storage
            from otel_fe.config.extensions import FileStorage
            open_storage(FileStorage({str(tmp_path)!r}, timeout_ns=50_000_000), {str(NAME)!r}, "traces")
            """
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode
        assert "another process uses it" in done.stderr
        with pytest.raises(StorageError):
            build(NAME, settings, extensions, Ledger()).start()


FULL = textwrap.dedent(
    """
    import json, resource, signal, sys, time
    from otel_fe.collector.exporters.build import build
    from otel_fe.collector.exporters.payload import Payload
    from otel_fe.config.exporters import OtlpHttp
    from otel_fe.config.extensions import FileStorage
    from otel_fe.config.identifiers import ComponentId
    from otel_fe.config.sending import Retry, SendingQueue
    from tests.unit.collector.exporters.fakes import Ledger

    directory, port, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    disk = ComponentId("file_storage")
    settings = OtlpHttp(
        f"http://localhost:{port}",
        sending_queue=SendingQueue(queue_size=100_000, storage=disk),
        retry_on_failure=Retry(initial_interval_ns=20_000_000, max_interval_ns=50_000_000, max_elapsed_time_ns=0),
    )
    ledger = Ledger()
    exporter = build(ComponentId("otlp_http"), settings, {disk: FileStorage(directory)}, ledger, ("traces",))
    exporter.start()
    taken = [number for number in range(400) if exporter.offer(Payload("traces", b"%06d" % number * 5_000, 1))]
    print(json.dumps({"taken": taken, "settled": ledger.items}), flush=True)
    sys.stdin.readline()  # the backend is there now
    flushed = exporter.flush(60)
    again = exporter.offer(Payload("traces", b"again!" * 5_000, 1))
    flushed = exporter.flush(60) and flushed
    exporter.shutdown(1)
    print(json.dumps({"flushed": flushed, "again": again, "settled": ledger.items}), flush=True)
    """
)


def fill(directory, limit):
    """Fill the disk below a queue, then let the backend take what is there; returns both reports and what arrived."""
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-c", FULL, str(directory), str(port), str(limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        before = json.loads(child.stdout.readline())
        backend = Backend()
        with http_server(backend, port=port):
            child.stdin.write("\n")
            child.stdin.flush()
            after = json.loads(child.stdout.readline())
    assert child.returncode == 0
    return before, after, sorted({data[:6] for data in backend.accepted})


@pytest.mark.parametrize("how", ["limit", "tmpfs"])
def test_a_full_disk_refuses_by_name_and_recovers(tmp_path, how):
    """12 MB for 4 MB: the process goes on, what was taken arrives, and there is room again afterwards."""
    limit = 4_000_000 if how == "limit" else 0
    if how == "tmpfs":
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path], capture_output=True, check=False
        )
        if mounted.returncode:
            missing("the right to mount a small file system (run the tests as root)")
    try:
        before, after, arrived = fill(tmp_path, limit)
    finally:
        if how == "tmpfs":
            subprocess.run(["umount", "-l", tmp_path], check=True)
    taken = before["taken"]
    assert 20 <= len(taken) < 200
    assert before["settled"] == {STORAGE_FULL: 400 - len(taken)}
    assert after["flushed"]
    assert after["again"]
    assert after["settled"] == {STORAGE_FULL: 400 - len(taken), SENT: len(taken) + 1}
    assert arrived == sorted([*(b"%06d" % number for number in taken), b"again!"])


def test_what_a_shutdown_leaves_on_disk_is_told_apart(tmp_path):
    queue = SendingQueue(storage=DISK)
    extensions = {DISK: FileStorage(str(tmp_path), fsync=True)}
    with running(over_grpc(free_port(), sending_queue=queue), extensions) as (exporter, ledger):
        for _ in range(20):
            exporter.offer(traces(3))
        began = time.monotonic()
        exporter.shutdown(5)
        assert time.monotonic() - began < 4.5, "a dead backend holds up the shutdown though all is safe on disk"
    assert ledger.items == {STORED: 60}
    with grpc_server(Backend()) as backend:
        with running(over_grpc(backend.port, sending_queue=queue), extensions) as (exporter, ledger):
            assert exporter.flush(10)
            assert exporter.counts().recovered == 60
    assert ledger.items == {SENT: 60}
    assert all(isinstance(payload, Payload) and payload.tally is None for payload, _ in ledger.entries)
    assert sum(len(ExportTraceServiceRequest.FromString(data).resource_spans) for data in backend.accepted) == 20


def test_http_goes_through_a_proxy():
    with http_server(Backend()) as proxy:
        settings = OtlpHttp("http://backend.example:4318", proxy_url=f"http://localhost:{proxy.port}")
        assert send(settings)[0].items == {SENT: 3}
    assert proxy.received[0][0] == "http://backend.example:4318/v1/traces"
