"""Requests with profiles, to real servers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import ExportProfilesServiceResponse

from otel_fe.errors import ConfigurationError
from otel_fe.sdk import profile_senders
from otel_fe.sdk.profile_senders import FAILED, UNSUPPORTED, GrpcSender, HttpSender, connecting

PARTIAL = ExportProfilesServiceResponse()
PARTIAL.partial_success.rejected_profiles = 2
PARTIAL.partial_success.error_message = "too old"


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setattr(profile_senders, "_PAUSES_S", (0.01, 0.01))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")


@contextmanager
def http(*statuses, body=b""):
    """Run a server that answers so, the last for good; give its address and what came."""
    came, left = [], list(statuses)

    class Backend(BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.path, dict(self.headers), content))
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1development/profiles", came
        server.shutdown()


@contextmanager
def rpc(*codes, body=b""):
    """Return an error of gRPC; without a code, the service is unknown."""
    came, left = [], list(codes)

    class AnyCall(grpc.GenericRpcHandler):
        def service(self, call):
            def export(data, context):
                came.append((call.method, dict(call.invocation_metadata), data))
                code = left.pop(0) if len(left) > 1 else left[0]
                if code is not grpc.StatusCode.OK:
                    context.abort(code, "not now")
                return body

            return grpc.unary_unary_rpc_method_handler(export) if left else None

    server = grpc.server(ThreadPoolExecutor(2), handlers=(AnyCall(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", came
    server.stop(0).wait()


def sent(sender):
    try:
        return sender.send(b"payload")
    finally:
        sender.close()


@pytest.mark.parametrize(
    ("statuses", "lost", "attempts"),
    [
        ((200,), "", 1),
        ((503, 429, 200), "", 3),
        ((503,), FAILED, 3),
        ((404,), UNSUPPORTED, 1),
        ((400,), FAILED, 1),
        ((301,), FAILED, 1),
    ],
)
def test_http(statuses, lost, attempts):
    """HTTP uses the headers and the compression of the standard variables; a redirect delivers nothing."""
    with http(*statuses) as (endpoint, came):
        answer = sent(HttpSender(endpoint))
    assert (answer.lost, len(came)) == (lost, attempts)
    path, headers, _ = came[0]
    assert path == "/v1development/profiles"
    assert (
        headers.items()
        >= {"api-key": "secret", "Content-Encoding": "gzip", "content-type": "application/x-protobuf"}.items()
    )


@pytest.mark.parametrize(
    ("codes", "lost", "attempts"),
    [
        (("OK",), "", 1),
        (("UNAVAILABLE", "RESOURCE_EXHAUSTED", "OK"), "", 3),
        (("UNAVAILABLE",), FAILED, 3),
        (("INVALID_ARGUMENT",), FAILED, 1),
        (("UNIMPLEMENTED",), UNSUPPORTED, 1),
        ((), UNSUPPORTED, 0),
    ],
)
def test_grpc(monkeypatch, codes, lost, attempts):
    """A server that knows no such service says so by itself."""
    with rpc(*(grpc.StatusCode[code] for code in codes)) as (endpoint, came):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        answer = sent(GrpcSender())
    assert (answer.lost, len(came)) == (lost, attempts)
    for method, metadata, data in came:
        assert method == "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
        assert (metadata["api-key"], data) == ("secret", b"payload")


def test_profiles_that_a_backend_rejects_are_told(monkeypatch):
    """A successful answer may reject profiles; a body that is no message rejects none."""
    body = PARTIAL.SerializeToString()
    with http(200, body=body) as (endpoint, _):
        assert sent(HttpSender(endpoint))[:3] == ("", "too old", 2)
    with rpc(grpc.StatusCode.OK, body=body) as (endpoint, _):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        assert sent(GrpcSender())[:3] == ("", "too old", 2)
    with http(200, body=b"<html>") as (endpoint, _):
        assert sent(HttpSender(endpoint)) == ("", "", 0, False)


def test_no_server_at_all(monkeypatch):
    """Is tried again, and lost in the end."""
    assert sent(HttpSender("http://127.0.0.1:1/v1development/profiles")).lost == FAILED
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert sent(GrpcSender()).lost == FAILED


def test_a_closed_sender_gives_up(monkeypatch):
    """The pause between two attempts ends."""
    monkeypatch.setattr(profile_senders, "_PAUSES_S", (9.0,))
    with http(503) as (endpoint, came):
        sender = HttpSender(endpoint)
        answers = []
        sending = threading.Thread(target=lambda: answers.append(sender.send(b"payload")))
        sending.start()
        while not came:
            pass
        sender.close()
        sending.join(8)
    assert answers[0].lost == FAILED
    assert len(came) == 1


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({}, "http://localhost:4318/v1development/profiles"),
        ({"ENDPOINT": "https://one:4318/otlp/"}, "https://one:4318/otlp/v1development/profiles"),
        ({"ENDPOINT": "http://one", "TRACES_ENDPOINT": "http://two/v1/traces"}, "http://two/v1development/profiles"),
    ],
)
def test_the_endpoint_of_http(environ, endpoint):
    """The endpoint of profiles is beside that of traces."""
    variables = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()}
    sender = connecting({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", **variables})()
    assert sender._client._endpoint == endpoint
    sender.close()


def test_the_protocol():
    """The protocol is that of traces if set, else the general one; gRPC by default."""
    assert connecting({}) is GrpcSender
    traces = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
    assert connecting(traces) is GrpcSender
    with pytest.raises(
        ConfigurationError, match="OTLP_PROTOCOL: 'http/json' cannot be used; profiles are sent by grpc or"
    ):
        connecting({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})


def test_an_endpoint_of_traces_that_says_nothing_about_profiles_is_refused():
    """Rather than guessed."""
    environ = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://one/spans",
    }
    with pytest.raises(ConfigurationError, match="end it in /v1/traces"):
        connecting(environ)
