"""`timeout` bounds a whole exchange of `otlp_http`, however slowly its backend answers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from otel_fe.collector.exporters.otlp_http import HttpTransport
from otel_fe.collector.exporters.outcome import Failed
from otel_fe.config.exporters import OtlpHttp
from otel_fe.testing import FakeClock

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def dripping(answer, after=0):
    """A backend that sends the first `after` bytes of an answer at once, the others one by one, and then more for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(answer[:after])
            left = answer[after:]
            while not ended.wait(0.02):
                connection.sendall(left[:1] or b"a")
                left = left[1:]

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def transport(port, timeout_ns=500_000_000, **more):
    made = HttpTransport(
        OtlpHttp(endpoint=f"http://127.0.0.1:{port}", timeout_ns=timeout_ns, **more), None, FakeClock(), "otlp_http"
    )
    made.start()
    return made


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (ANSWER + b" " * 1_000, 0),
        (ANSWER.replace(b": 0", b": 60000"), len(ANSWER)),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000, 0),
        (ANSWER.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"), len(ANSWER)),
    ],
    ids=["status line", "body", "interim answers", "chunks"],
)
def test_a_backend_that_drips_its_answer_is_left_in_time(answer, after):
    """Each byte comes well within any timeout of one read."""
    with dripping(answer, after) as port:
        made = transport(port)
        began_s = time.monotonic()
        found = made.send("traces", b"x")
        assert time.monotonic() - began_s < 5
        assert found.may_pass
        assert "within 0.5 s" in found.why
        made.close()


def test_a_proxy_that_drips_is_left_in_time():
    """Before there is a tunnel."""
    with dripping(b"HTTP/1.1 200 OK\r\n" + b"a" * 10_000) as port:
        made = HttpTransport(
            OtlpHttp(endpoint="https://host.invalid", proxy_url=f"http://127.0.0.1:{port}", timeout_ns=500_000_000),
            None,
            FakeClock(),
            "otlp_http",
        )
        made.start()
        began_s = time.monotonic()
        assert made.send("traces", b"x").may_pass
        assert time.monotonic() - began_s < 5
        made.close()


@pytest.mark.parametrize("timeout_ns", [60_000_000_000, 0], ids=["a minute", "no timeout"])
def test_what_is_under_way_ends_with_the_exporter(timeout_ns):
    """A shutdown does not wait for the timeout, and the reason is not that it was reached."""
    with dripping(ANSWER) as port:
        made = transport(port, timeout_ns=timeout_ns)
        found = []
        thread = threading.Thread(target=lambda: found.append(made.send("traces", b"x")))
        thread.start()
        time.sleep(0.2)
        made.close()
        thread.join(5)
        assert not thread.is_alive()
        assert found == [Failed("the exporter was shut down before there was a whole answer", may_pass=True)]
