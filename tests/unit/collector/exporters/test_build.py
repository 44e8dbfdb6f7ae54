"""Exporters are built from the configuration, and read tokens, waits, answers and certificates."""

from __future__ import annotations

import os

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_fe.collector.exporters.bearer import Bearer
from otel_fe.collector.exporters.build import build, open_storage
from otel_fe.collector.exporters.otlp_http import HttpTransport
from otel_fe.collector.exporters.outcome import Delivered, Failed, brief
from otel_fe.collector.exporters.partial_success import read_json, read_protobuf
from otel_fe.collector.exporters.retry_after import asked_ns
from otel_fe.collector.exporters.storage_errors import StorageError
from otel_fe.config.exporters import Debug, OtlpGrpc, OtlpHttp
from otel_fe.config.extensions import BearerTokenAuth, FileStorage
from otel_fe.config.identifiers import ComponentId
from otel_fe.config.sending import SendingQueue
from otel_fe.config.transport import ClientTls
from otel_fe.errors import ConfigurationError
from otel_fe.testing import FakeClock
from tests.unit.collector.exporters.fakes import Ledger, traces

S = 1_000_000_000
GRPC = ComponentId("otlp_grpc", "a")
AUTH = ComponentId("bearertokenauth")
DISK = ComponentId("file_storage")


def started(settings, extensions=None):
    exporter = build(GRPC, settings, extensions or {}, Ledger())
    try:
        exporter.start()
    finally:
        exporter.shutdown(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (OtlpGrpc("localhost:1", compression="zstd"), "gRPC for Python has no other"),
        (OtlpGrpc("localhost:1", tls=ClientTls(ca_file="/nowhere/ca.pem")), "tls::ca_file"),
        (OtlpGrpc("localhost:1", tls=ClientTls(insecure=True), auth=AUTH), "not sent in the clear"),
        (OtlpHttp("https://localhost:1", tls=ClientTls(ca_pem="nonsense")), "valid PEM"),
        (OtlpHttp("https://localhost:1", tls=ClientTls(cert_pem="nonsense", key_pem="nonsense")), "valid PEM"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_start(settings, message):
    with pytest.raises(ConfigurationError, match=message) as raised:
        started(settings, {AUTH: BearerTokenAuth(tokens=("secret",))})
    assert "secret" not in str(raised.value)
    assert "otlp_grpc/a" in str(raised.value)


def test_an_extension_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match="bearertokenauth"):
        build(GRPC, OtlpGrpc("localhost:1", auth=AUTH), {}, Ledger())
    with pytest.raises(ConfigurationError, match="file_storage"):
        build(GRPC, OtlpGrpc("localhost:1", sending_queue=SendingQueue(storage=DISK)), {}, Ledger())


def test_a_directory_that_is_not_there_is_named_or_made(tmp_path):
    missing = tmp_path / "a" / "b"
    with pytest.raises(StorageError, match="create_directory"):
        open_storage(FileStorage(str(missing)), "otlp_grpc/a", "traces")
    open_storage(
        FileStorage(str(missing), create_directory=True, directory_permissions=0o700), "otlp_grpc/a", "traces"
    ).close()
    assert [entry.name for entry in missing.iterdir()] == ["exporter_otlp~5f~grpc~2f~a_traces.db"]
    assert missing.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        open_storage(FileStorage(str(tmp_path / "file" / "x"), create_directory=True), "a", "traces")


def test_debug_may_have_a_queue():
    ledger = Ledger()
    exporter = build(ComponentId("debug"), Debug(sending_queue=SendingQueue(num_consumers=1)), {}, ledger)
    exporter.start()
    assert exporter.offer(traces(2))
    exporter.shutdown(5)
    assert ledger.items == {"": 2}


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (OtlpHttp("http://a:1"), "http://a:1/v1/traces"),
        (OtlpHttp("http://a:1/otlp/"), "http://a:1/otlp/v1/traces"),
        (OtlpHttp("http://a:1", traces_endpoint="http://b:2/in"), "http://b:2/in"),
        (OtlpHttp(logs_endpoint="http://b:2/in"), None),
    ],
)
def test_a_signal_has_its_own_url_or_one_below_the_endpoint(settings, url):
    assert HttpTransport(settings, None, FakeClock(), "otlp_http")._urls.get("traces") == url


def test_a_signal_without_url_fails():
    transport = HttpTransport(OtlpHttp(logs_endpoint="http://b:2/in"), None, FakeClock(), "otlp_http")
    assert transport.send("traces", b"") == Failed("there is no endpoint for traces", may_pass=False)


class TestBearer:
    def test_the_first_token_is_sent(self):
        assert Bearer(BearerTokenAuth(tokens=("one", "two"))).value() == "Bearer one"
        assert Bearer(BearerTokenAuth(tokens=("one",), scheme="")).value() == "one"

    def test_a_file_is_read_again_when_it_changes(self, tmp_path):
        file = tmp_path / "token"
        bearer = Bearer(BearerTokenAuth(filename=str(file), tokens=("ignored",)))
        assert bearer.value() == ""
        file.write_text("\n first  a comment\nsecond\n")
        assert bearer.value() == "Bearer first"
        file.write_text("third")
        os.utime(file, ns=(1, 1))
        assert bearer.value() == "Bearer third"
        file.unlink()
        assert bearer.value() == "Bearer third"


@pytest.mark.parametrize(
    ("header", "ns"),
    [
        ("7", 7 * S),
        (" 7 ", 7 * S),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10 * S),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0),
        ("-1", 0),
        ("soon", 0),
        ("", 0),
        (None, 0),
        ("9" * 5_000, 999_999_999 * S),
    ],
)
def test_retry_after(header, ns):
    assert asked_ns(header, 1_700_000_000 * S) == ns


def test_partial_success_in_both_encodings():
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    answer.partial_success.error_message = "too old"
    assert read_protobuf("traces", answer.SerializeToString()) == Delivered(3, "too old")
    body = b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}'
    assert read_json("traces", body) == Delivered(3, "too old")
    for body in (
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"partialSuccess": {"rejectedSpans": "x"}}',
        b'{"partialSuccess": null}',
    ):
        assert read_json("traces", body) == Delivered()
        assert read_protobuf("traces", body) == Delivered()


def test_foreign_messages_are_one_short_line():
    assert brief("a\n  b\t" + "c" * 500) == "a b " + "c" * 196 + "…"
