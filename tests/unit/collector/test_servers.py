"""The checks of servers before they accept a request: sizes, addresses, tokens; and their refusals."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib

import cramjam
import pytest
import zstandard
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.collector.refusals import (
    EncodingError,
    NoPipelineError,
    PressureError,
    RefusedError,
    StoppingError,
    TooLargeError,
)
from otel_fe.collector.servers.bodies import check_encoding, unpacked, unpacked_message
from otel_fe.collector.servers.endpoints import Endpoint, check_open, endpoint
from otel_fe.collector.servers.grpcio_options import options_of
from otel_fe.collector.servers.statuses import code_of, status
from otel_fe.collector.servers.tokens import Tokens
from otel_fe.config.extensions import BearerTokenAuth
from otel_fe.config.identifiers import ComponentId
from otel_fe.config.receivers import GrpcKeepalive, GrpcServerSettings
from otel_fe.config.transport import ServerTls
from otel_fe.errors import ConfigurationError
from otel_fe.wire.wire_error import WireError

PACKERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "snappy": lambda body: bytes(cramjam.snappy.compress(body)),
    "x-snappy-framed": lambda body: bytes(cramjam.snappy.compress(body)),
    "lz4": lambda body: bytes(cramjam.lz4.compress(body)),
    "identity": bytes,
    "": bytes,
}


@pytest.mark.parametrize("encoding", PACKERS)
@given(body=st.binary(max_size=2_000))
def test_unpacked_is_what_was_packed(encoding, body):
    """A message of exactly the maximum size is decompressed; one byte more is too large."""
    packed = PACKERS[encoding](body)
    assert unpacked(packed, encoding, len(body)) == body
    if body:
        with pytest.raises(TooLargeError):
            unpacked(packed, encoding, len(body) - 1)


@given(body=st.binary(max_size=2_000))
def test_snappy_comes_in_two_formats(body):
    """Its block format is recognised, too: senders other than the Collector use it."""
    packed = bytes(cramjam.snappy.compress_raw(body))
    assert unpacked(packed, "snappy", len(body)) == body
    if body:
        with pytest.raises(TooLargeError):
            unpacked(packed, "snappy", len(body) - 1)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "snappy", "x-snappy-framed", "lz4"])
@given(rubbish=st.binary(min_size=1, max_size=300))
def test_rubbish_is_named_as_such(encoding, rubbish):
    """Never another error."""
    with contextlib.suppress(WireError, TooLargeError):
        unpacked(rubbish, encoding, 1_000)
    with contextlib.suppress(WireError, TooLargeError):
        packed = bytearray(PACKERS[encoding](b"features" * 50))
        packed[rubbish[0] % len(packed)] ^= 1 + rubbish[-1] % 255
        unpacked(bytes(packed), encoding, 1_000)


def test_half_a_body_is_damaged():
    """A truncated body is refused, even if its beginning can be read."""
    for encoding in ("gzip", "deflate"):
        with pytest.raises(WireError, match="the compressed body is truncated"):
            unpacked(PACKERS[encoding](b"x" * 100)[:-5], encoding, 1_000)
    for encoding in ("snappy", "lz4"):
        with pytest.raises(WireError, match="the compressed body is damaged"):
            unpacked(PACKERS[encoding](b"x" * 100)[:-5], encoding, 1_000)


def test_gzip_in_several_members():
    """Several gzip members, as from `cat a.gz b.gz`, are decompressed, but not thousands."""
    assert unpacked(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 10) == b"ab"
    with pytest.raises(WireError, match="more than 64 parts"):
        unpacked(gzip.compress(b"") * 65, "gzip", 10)


@pytest.mark.parametrize("encoding", ["br", "deflate, gzip", "gzip," * 10_000, "identity, gzip"])
def test_unknown_encodings_and_several_are_refused_by_the_head(encoding):
    """Each layer could grow a body a thousandfold: one is what OTLP senders use."""
    with pytest.raises(EncodingError, match=encoding[:4]):
        check_encoding(encoding)
    with pytest.raises(EncodingError):
        unpacked(gzip.compress(zlib.compress(b"a")), encoding, 100)


@given(body=st.binary(max_size=500))
def test_messages_of_grpc_are_told_by_their_first_bytes(body):
    """A gzip or deflate message is recognised by its first bytes; any other stays unchanged."""
    assert unpacked_message(gzip.compress(body), 500) == body
    assert unpacked_message(zlib.compress(body), 500) == body
    if body[:1] not in (b"\x1f", b"\x78"):
        assert unpacked_message(body, 500) == body


@pytest.mark.parametrize(
    ("text", "expected", "loopback"),
    [
        ("localhost:4317", ("127.0.0.1", 4317), True),
        ("127.1.2.3:1", ("127.1.2.3", 1), True),
        ("[::1]:4317", ("::1", 4317), True),
        ("0.0.0.0:0", ("0.0.0.0", 0), False),
        (":4318", ("0.0.0.0", 4318), False),
        ("[::]:4318", ("::", 4318), False),
        ("example.com:65535", ("example.com", 65535), False),
        ("10.0.0.1:80", ("10.0.0.1", 80), False),
    ],
)
def test_endpoints(text, expected, loopback):
    """Host, port, and who can reach it."""
    found = endpoint(text, "here")
    assert ((found.address, found.port), found.loopback) == (expected, loopback)
    assert endpoint(str(found), "here") == found or text.startswith(":")


@pytest.mark.parametrize(
    "text", ["", "localhost", "localhost:", "localhost:x", "localhost:65536", "::1:4317", "localhost:-1"]
)
def test_what_is_no_endpoint(text):
    """The error names the invalid endpoint and its key."""
    with pytest.raises(ConfigurationError, match=r"receivers::otlp.*use host:port"):
        endpoint(text, "receivers::otlp")


def test_beyond_loopback_somebody_has_to_ask():
    """Tokens or client certificates are required beyond loopback; a server's certificate alone authenticates no client."""
    open_ = Endpoint("0.0.0.0", 4317)
    with pytest.raises(ConfigurationError, match="allow-unauthenticated"):
        check_open(open_, GrpcServerSettings(), "key")
    with pytest.raises(ConfigurationError):
        check_open(open_, GrpcServerSettings(tls=ServerTls(cert_file="a", key_file="b")), "key")
    check_open(open_, GrpcServerSettings(tls=ServerTls(client_ca_file="ca")), "key")
    check_open(open_, GrpcServerSettings(auth=ComponentId("bearertokenauth")), "key")
    check_open(Endpoint("localhost", 4317), GrpcServerSettings(), "key")


def test_tokens():
    """Any of them, with the scheme in any case, and nothing near one."""
    tokens = Tokens(BearerTokenAuth(tokens=("one", "two")), "auth")
    assert tokens.header == "authorization"
    assert tokens.accept("Bearer one")
    assert tokens.accept(b"bearer two")
    for wrong in (
        "one",
        "Bearer  one",
        "Bearer on",
        "Bearer",
        "Basic one",
        "",
        None,
        "Bearer ü",
        "Bearer one, Bearer one",
    ):
        assert not tokens.accept(wrong), wrong
    bare = Tokens(BearerTokenAuth(tokens=("one",), scheme="", header="X-Key"), "auth")
    assert bare.header == "x-key"
    assert bare.accept("one")
    assert not bare.accept("Bearer one")


def test_tokens_in_a_file(tmp_path):
    """One a line; a new file counts at once, one that is gone changes nothing, an empty one is refused at the start."""
    file = tmp_path / "tokens"
    settings = BearerTokenAuth(filename=str(file))
    with pytest.raises(ConfigurationError, match="a token in each line"):
        Tokens(settings, "auth")
    file.write_text("one\n\n two \n")
    tokens = Tokens(settings, "auth")
    assert tokens.accept("Bearer two")
    file.write_text("three")
    os.utime(file, ns=(1, 1))
    assert tokens.accept("Bearer three")
    assert not tokens.accept("Bearer one")
    file.unlink()
    assert tokens.accept("Bearer three")


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (PressureError("memory", "full"), (14, 503)),
        (StoppingError(), (14, 503)),
        (TooLargeError(5), (8, 413)),
        (NoPipelineError("logs"), (12, 404)),
        (EncodingError("x"), (12, 415)),
        (WireError("x"), (3, 400)),
        (RefusedError("x"), (13, 500)),
        (ValueError("x"), (13, 500)),
    ],
)
def test_codes(error, codes):
    """OTLP's, for each refusal."""
    assert code_of(error) == codes


def test_only_what_may_be_sent_again_has_retry_info():
    """Only a retryable refusal has RetryInfo, which states how long to wait."""
    found = status_pb2.Status.FromString(status(code_of(PressureError("a", "b")), "later", 1.5))
    retry = error_details_pb2.RetryInfo()
    assert found.details[0].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1500
    assert not status_pb2.Status.FromString(status(code_of(TooLargeError(1)), "never")).details


def test_grpc_options():
    """The Collector's keys as gRPC's, in its units; what is not given is bounded, or gRPC's own."""
    assert dict(options_of(GrpcServerSettings(), 5, shared=False)) == {
        "grpc.max_receive_message_length": 5,
        "grpc.max_concurrent_streams": 128,
        "grpc.max_allowed_incoming_connections": 1_000,
        "grpc.max_connection_idle_ms": 900_000,
        "grpc.server_handshake_timeout_ms": 10_000,
        "grpc.so_reuseport": 0,
        "grpc.per_message_decompression": 0,
    }
    keepalive = GrpcKeepalive(max_connection_age_ns=2_000_000_000, time_ns=1, permit_without_stream=True)
    found = dict(options_of(GrpcServerSettings(keepalive=keepalive, max_concurrent_streams=7), 5, shared=True))
    assert found["grpc.max_connection_age_ms"] == 2_000
    assert found["grpc.keepalive_time_ms"] == 1
    assert found["grpc.max_concurrent_streams"] == 7
    assert found["grpc.so_reuseport"] == found["grpc.keepalive_permit_without_calls"] == 1
