"""Proxies of the environment, as Go's `golang.org/x/net/http/httpproxy` reads it: its own test cases, among others."""

from __future__ import annotations

import pytest

from otel_fe.collector.exporters.otlp_grpc import GrpcTransport
from otel_fe.collector.exporters.outcome import Delivered
from otel_fe.collector.exporters.proxies import proxy_of
from otel_fe.config.exporters import GrpcClientKeepalive, OtlpGrpc
from otel_fe.config.transport import ClientTls
from tests.unit.collector.running import backend, request

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("no_proxy", "url", "proxied"),
    [
        ("", "http://backend.example", True),
        ("", "http://localhost:4318", False),
        ("", "http://127.0.0.1", False),
        ("", "http://127.9.9.9", False),
        ("", "http://[::1]:4318", False),
        ("", "http://[::ffff:127.0.0.1]", False),
        ("", "http://localhost.example", True),
        ("*", "http://backend.example", False),
        ("a.example, *", "http://backend.example", False),
        ("example", "http://backend.example", False),
        ("backend.example", "http://BACKEND.example", False),
        ("backend.example", "http://a.backend.example", False),
        ("backend.example", "http://my-backend.example", True),
        (".backend.example", "http://backend.example", True),
        (".backend.example", "http://a.backend.example", False),
        ("*.backend.example", "http://a.backend.example", False),
        ("*.backend.example", "http://backend.example", True),
        ("backend.example:4318", "http://backend.example:4318", False),
        ("backend.example:4318", "http://backend.example:4317", True),
        ("backend.example:80", "http://backend.example", False),
        ("10.0.0.0/8", "http://10.1.2.3:4318", False),
        ("10.0.0.0/8", "http://11.1.2.3:4318", True),
        ("10.0.0.0/8", "http://10.example", True),
        ("10.1.2.3", "http://10.1.2.3", False),
        ("10.1.2.3:4318", "http://10.1.2.3:4317", True),
        ("2001:db8::/32", "http://[2001:db8::1]:4318", False),
        ("[2001:db8::1]:4318", "http://[2001:db8::1]:4318", False),
        ("2001:db8::1", "http://[2001:db8::1]", False),
        ("10.0.0.0/99, ,a/b", "http://10.1.2.3", True),
    ],
)
def test_what_goes_through_the_proxy(no_proxy, url, proxied):
    for names in (("HTTP_PROXY", "NO_PROXY"), ("http_proxy", "no_proxy")):
        environ = dict(zip(names, (PROXY, no_proxy), strict=True))
        assert proxy_of(url, environ) == (PROXY if proxied else "")


def test_each_scheme_has_its_own():
    environ = {"HTTP_PROXY": "plain:1", "https_proxy": "https://tls:2"}
    assert proxy_of("http://a.example", environ) == "http://plain:1"
    assert proxy_of("https://a.example", environ) == "https://tls:2"
    assert proxy_of("https://a.example", {"HTTP_PROXY": "plain:1"}) == ""
    assert proxy_of("https://a.example", {}) == ""


@pytest.mark.parametrize("scheme", ["", "passthrough:///", "dns:///"])
def test_grpc_to_loopback_goes_past_the_proxy_with_any_resolver(monkeypatch, scheme):
    """gRPC for Python would dial the proxy even for loopback, and does not know Go's `passthrough`."""
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with backend() as sink:
        made = GrpcTransport(
            OtlpGrpc(f"{scheme}127.0.0.1:{sink.port}", tls=ClientTls(insecure=True), compression="none"), None, "x"
        )
        made.start()
        assert made.send("traces", request(1).SerializeToString()) == Delivered()
        made.close()
        assert len(sink.spans()) == 2


def options(**settings):
    return dict(GrpcTransport(OtlpGrpc("backend.example:4317", **settings), None, "x")._options())


def test_grpc_through_the_proxy_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert options()["grpc.http_proxy"] == PROXY
    monkeypatch.setenv("NO_PROXY", "*")
    assert options()["grpc.enable_http_proxy"] == 0


def test_keepalive_pings_go_on_without_data():
    """Go's go on; gRPC's C core stops after two, so that a connection that a firewall has dropped is found only when it is used."""
    found = options(keepalive=GrpcClientKeepalive(30_000_000_000, 500_000, permit_without_stream=True))
    assert found["grpc.keepalive_time_ms"] == 30_000
    assert found["grpc.keepalive_timeout_ms"] == 1
    assert found["grpc.keepalive_permit_without_calls"] == 1
    assert found["grpc.http2.max_pings_without_data"] == 0
    assert "grpc.keepalive_time_ms" not in options()
