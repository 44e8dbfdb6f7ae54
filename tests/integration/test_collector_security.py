"""Authentication of senders: TLS, client certificates, bearer tokens, and loopback."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess

import grpc
import pytest

from tests.integration.conftest import missing
from tests.unit.collector.running import Process, config, export, request, running

HEADERS = {"Content-Type": "application/x-protobuf"}
OPENSSL = shutil.which("openssl")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return a folder with an authority, a server's certificate and a client's."""
    if OPENSSL is None:
        missing("openssl (Debian: apt-get install openssl)")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run([OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=authority")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signed)
    return folder


def credentials(folder, client=False):
    read = lambda name: (folder / name).read_bytes()  # noqa: E731
    if client:
        return grpc.ssl_channel_credentials(read("ca.crt"), read("client.key"), read("client.crt"))
    return grpc.ssl_channel_credentials(read("ca.crt"))


def https(folder, address, headers=HEADERS, client=False, body=None):
    """Send traces; return the status."""
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    if client:
        context.load_cert_chain(folder / "client.crt", folder / "client.key")
    connection = http.client.HTTPSConnection(address, timeout=10, context=context)
    try:
        connection.request("POST", "/v1/traces", body or request(1).SerializeToString(), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@pytest.fixture(autouse=True, params=["nghttp2", "grpcio"])
def grpc_server(request, monkeypatch):
    """Have collectors receive by each of the two libraries."""
    monkeypatch.setenv("OTEL_FE_GRPC_SERVER", request.param)


def tls_keys(folder, more=""):
    return f", tls: {{cert_file: {folder}/server.crt, key_file: {folder}/server.key{more}}}"


def test_tls(certificates, tmp_path):
    """Senders that trust the authority get in; who speaks plainly does not."""
    keys = tls_keys(certificates)
    with running(tmp_path, config(grpc_keys=keys, http_keys=keys)) as collector:
        export(collector.grpc, request(1).SerializeToString(), credentials=credentials(certificates))
        assert https(certificates, collector.http) == 200
        with pytest.raises(grpc.RpcError):
            export(collector.grpc, request(1).SerializeToString())
        with pytest.raises((http.client.HTTPException, OSError)):
            plain = http.client.HTTPConnection(collector.http, timeout=5)
            plain.request("POST", "/v1/traces", b"", HEADERS)
            plain.getresponse()
        plain.close()
        assert collector.sums()["otelcol_receiver_accepted_spans"] == 4
        collector.stop()
        assert "Traceback" not in collector.log


def test_a_large_request_may_come_with_the_end_of_the_handshake(certificates, tmp_path):
    """As Go's clients send it. Reading stopped for good then, and started again only on the other transport."""
    keys = tls_keys(certificates)
    sent = request(1)
    sent.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="a").value.string_value = "x" * 300_000
    body = sent.SerializeToString()
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
    context = ssl.create_default_context(cafile=certificates / "ca.crt")
    with running(tmp_path, config(grpc_keys=keys, http_keys=keys)) as collector:
        host, _, port = collector.http.rpartition(":")
        for _ in range(5):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            with socket.create_connection((host, int(port)), timeout=10) as stream:
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        stream.sendall(outgoing.read())
                        incoming.write(stream.recv(1 << 16))
                tls.write(head % len(body) + body)
                stream.sendall(outgoing.read())  # the end of the handshake, too
                answer = b""
                while not answer:
                    incoming.write(stream.recv(1 << 16))
                    with contextlib.suppress(ssl.SSLWantReadError):
                        answer = tls.read()
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_client_certificates(certificates, tmp_path):
    """`client_ca_file` admits only senders with a certificate of that authority; this is allowed beyond loopback."""
    keys = tls_keys(certificates, f", client_ca_file: {certificates}/ca.crt")
    text = config(grpc_keys=keys, http_keys=keys).replace("localhost:0", "0.0.0.0:0")
    with running(tmp_path, text) as collector:
        address, web = (one.replace("0.0.0.0", "127.0.0.1") for one in (collector.grpc, collector.http))
        export(address, request(1).SerializeToString(), credentials=credentials(certificates, client=True))
        assert https(certificates, web, client=True) == 200
        with pytest.raises(grpc.RpcError):
            export(address, request(1).SerializeToString(), credentials=credentials(certificates))
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            https(certificates, web)
        assert collector.sums()["otelcol_receiver_accepted_spans"] == 4


def test_bearer_tokens(tmp_path):
    """Tokens of `bearertokenauth` come from a file that may change; both protocols refuse a request without one."""
    tokens = tmp_path / "tokens"
    tokens.write_text("first\nsecond\n")
    keys = ", auth: {authenticator: bearertokenauth}"
    text = config(grpc_keys=keys, http_keys=keys, extensions=f"{{bearertokenauth: {{filename: {tokens}}}}}")

    def over_grpc(collector, token):
        export(collector.grpc, request(1).SerializeToString(), metadata=(("authorization", f"Bearer {token}"),))

    def over_http(collector, token):
        connection = http.client.HTTPConnection(collector.http, timeout=10)
        headers = HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
        connection.request("POST", "/v1/traces", request(1).SerializeToString(), headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    with running(tmp_path, text) as collector:
        over_grpc(collector, "second")
        assert over_http(collector, "first") == 200
        assert over_http(collector, "third") == over_http(collector, "") == 401
        for token in ("third", "", "first second"):
            with pytest.raises(grpc.RpcError) as caught:
                over_grpc(collector, token)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError):
            export(collector.grpc, request(1).SerializeToString())
        tokens.write_text("third\n")
        over_grpc(collector, "third")
        assert over_http(collector, "first") == 401
        assert "first" not in collector.log


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_beyond_loopback_somebody_must_ask(tmp_path, protocol):
    """An address beyond loopback without authentication is rejected at the start, with the remedy."""
    text = config().replace(f'{protocol}: {{endpoint: "localhost:0"', f'{protocol}: {{endpoint: "0.0.0.0:0"')
    file = tmp_path / "open.yaml"
    file.write_text(text)
    process = Process(file, wait=False)
    assert process.process.wait(30) == 1
    process.stop()
    assert f"receivers::otlp::protocols::{protocol}::endpoint: '0.0.0.0:0' cannot be used" in process.log
    assert "--allow-unauthenticated" in process.log
    with running(tmp_path, text, "--allow-unauthenticated") as collector:
        collector.stop()


def test_the_own_page_stays_on_loopback(tmp_path):
    """The admin endpoint has no authentication, so any address but loopback is rejected."""
    file = tmp_path / "page.yaml"
    file.write_text(config())
    process = Process(file, "--admin-endpoint", "0.0.0.0:0", wait=False)
    assert process.process.wait(30) == 1
    process.stop()
    assert "use a loopback address" in process.log


def test_a_certificate_that_cannot_be_used_is_named(tmp_path):
    """The error for an unusable certificate names the key of the configuration."""
    (tmp_path / "server.crt").write_text("nonsense")
    (tmp_path / "server.key").write_text("nonsense")
    file = tmp_path / "bad.yaml"
    file.write_text(config(grpc_keys=tls_keys(tmp_path)))
    process = Process(file, wait=False)
    assert process.process.wait(30) == 1
    process.stop()
    assert "receivers::otlp::protocols::grpc: tls" in process.log
    assert "Traceback" not in process.log


@pytest.mark.parametrize(("host", "status"), [("LOCALHOST", 200), ("LocalHost:8888", 200), ("evil.example", 403)])
def test_the_own_page_knows_its_names_in_any_case(tmp_path, host, status):
    """Names of hosts are the same in any (RFC 9110, 4.2.3)."""
    with running(tmp_path, config()) as collector:
        connection = http.client.HTTPConnection(collector.page, timeout=10)
        connection.request("GET", "/metrics", headers={"Host": host})
        assert connection.getresponse().status == status
        connection.close()
        collector.stop()
