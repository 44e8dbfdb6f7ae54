"""The server and the command: real sockets."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from otel_fe import cli
from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.server import DashboardServer
from otel_fe.dashboard.site import Question, Site
from otel_fe.dashboard.start_server import grafana_link, trace_links
from otel_fe.errors import ConfigurationError


@pytest.fixture
def port(stored):
    server = DashboardServer(Site(stored, Access(Endpoint("localhost", 0))), Endpoint("localhost", 0))
    server.start()
    yield int(server.url.rsplit(":", 1)[1].strip("/"))
    server.close()


def ask(port, path="/", method="GET", headers=None, body=None):
    connection = http.client.HTTPConnection("localhost", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_every_answer_says_what_a_browser_may_do(port):
    """No inline script, no frame around it, nothing kept of what the store says."""
    for path in ("/", "/nope", "/explore.json", "/static/dashboard.js"):
        _, headers, _ = ask(port, path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert ("no-store" in headers["Cache-Control"]) == (path != "/static/dashboard.js")


def test_pages_are_packed_for_those_who_can_unpack(port):
    _, headers, body = ask(port, headers={"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert b"Performance trends" in gzip.decompress(body)
    assert ask(port, method="HEAD")[2] == b""


def test_one_connection_can_ask_again(port):
    connection = http.client.HTTPConnection("localhost", port, timeout=20)
    for _ in range(3):
        connection.request("GET", "/slo.json")
        assert connection.getresponse().read()
    connection.close()


def test_a_form_that_is_too_large_is_not_read(port):
    assert ask(port, "/policies", "POST", {"Content-Length": "99999999"})[0] == 413
    assert ask(port, "/policies", "DELETE")[0] == 405


def test_a_request_with_two_hosts_is_refused(port):
    with socket.create_connection(("localhost", port), timeout=20) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert raw.makefile("rb").readline().split()[1] == b"400"


@pytest.mark.thorough
def test_slow_readers_do_not_stop_the_others(port):
    """Forty that ask for pages and read nothing, and as many that never end their request."""
    with contextlib.ExitStack() as stack:
        for number in range(80):
            raw = stack.enter_context(socket.create_connection(("localhost", port), timeout=20))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            raw.sendall(b"GET /explore HTTP/1.1\r\nHost: localhost\r\n" + b"\r\n" * (number % 2))
        assert ask(port, "/slo.json")[0] == 200


def test_a_body_is_not_read_before_the_token_is_known(stored):
    """Without a valid token no body is read, however large the form."""
    access = Access(Endpoint("0.0.0.0", 80), "a-token-of-some-length")
    server = DashboardServer(Site(stored, access), Endpoint("localhost", 0))
    try:
        with socket.create_connection(("localhost", int(server.url.rsplit(":", 1)[1].strip("/"))), timeout=20) as raw:
            raw.sendall(b"POST /policies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n")
            assert raw.makefile("rb").readline().split()[1] == b"401"
    finally:
        server.close()


def test_a_get_with_a_body_is_one_request(port):
    """A GET request's body is not read as a second request."""
    inner = b"GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("localhost", port), timeout=20) as raw:
        raw.sendall(b"GET /slo.json HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner)
        got = raw.makefile("rb").read()
    assert got.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", ["/", "/explore.json", "/policies"])
def test_too_many_parameters_are_the_reader_s_fault(port, path):
    assert ask(port, f"{path}?" + "&".join(f"a{number}=1" for number in range(60)))[0] == 400


def test_names_are_the_same_in_any_case(port):
    for name in ("LOCALHOST", "LocalHost:80", "localhost."):
        assert ask(port, "/slo.json", headers={"Host": name})[0] == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "0.0.0.0:0"], "set a token"),
        (["--listen", "nonsense"], "use host:port"),
        (["--trace-url", "javascript:alert(1)//{trace_id}"], "--trace-url"),
        (["--trace-url", "http://localhost:16686/trace/"], "--trace-url"),
        (["--grafana-url", "localhost:3000"], "use for example http://localhost:3000"),
        (["--grafana-url", "javascript:alert(1)"], "--grafana-url"),
        (["--grafana-url", "https://ada:secret@grafana.example"], "leave the password out"),
        (["--token", "short"], "at least 16"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, capsys, monkeypatch, arguments, said):
    monkeypatch.delenv("OTEL_FE_DASHBOARD_TOKEN", raising=False)
    assert cli.main(["dashboard", "--store", str(tmp_path), *arguments]) == 1
    assert said in capsys.readouterr().err


def test_links_have_names():
    found = list(
        trace_links(["http://localhost:16686/trace/{trace_id}", "Tempo=https://grafana.example/explore?q={trace_id}"])
    )
    assert [link.name for link in found] == ["Jaeger", "Tempo"]
    assert found[1].url("a&b") == "https://grafana.example/explore?q=a%26b"
    with pytest.raises(ConfigurationError):
        list(trace_links(["ftp://x/{trace_id}"]))


def test_pages_link_to_the_same_service_and_time_in_grafana(stored):
    """The rendered dashboard, by its uid; escaped like everything that comes from a span."""
    link = grafana_link("https://grafana.example/sub/")
    assert link.url((5_000_000, 9_000_000)) == "https://grafana.example/sub/d/otel-fe-extractions?from=5&to=9"
    site = Site(replace(stored, grafana=link), Access(Endpoint("localhost", 80)))
    page = site.answer(
        Question("GET", "/?since=1000&until=9000&feature_set=a%26b", {"host": "localhost"})
    ).body.decode()
    url = "https://grafana.example/sub/d/otel-fe-extractions?from=1000&amp;to=9000&amp;var-set=a%26b"
    assert f'href="{url}"' in page
    assert (
        "Grafana"
        not in Site(stored, Access(Endpoint("localhost", 80)))
        .answer(Question("GET", "/", {"host": "localhost"}))
        .body.decode()
    )


def test_without_its_extra_the_command_prints_how_to_get_it(tmp_path):
    code = "import sys; sys.modules['jinja2'] = None; from otel_fe import cli; sys.exit(cli.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "dashboard", "--store", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'otel-fe[dashboard]'" in done.stderr


def test_the_component_does_without_the_extra():
    code = "import sys; sys.modules['jinja2'] = None; from otel_fe.dashboard import FeatureExtractionDashboard as D; d = D(); d.export_dashboard_data('html'); d.close()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
