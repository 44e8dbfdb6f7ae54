"""The dashboard's HTTP server: the standard library's, with bounds, in front of the site."""

from __future__ import annotations

import gzip
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.answer import SECURITY, Answer
from otel_fe.dashboard.policy_view import MOST_BYTES
from otel_fe.dashboard.site import Question

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.dashboard.site import Site

_MOST_AT_ONCE: Final = 32
_IDLE_S: Final = 15.0
_WORTH_BYTES: Final = 1_000


class DashboardServer:
    """Serves a site until it is closed.

    Args:
        site: What answers.
        listen: Where.

    Raises:
        OSError: The address cannot be had.
    """

    def __init__(self, site: Site, listen: Endpoint) -> None:
        self._server = _Listening((listen.address, listen.port), site)
        self._thread: threading.Thread | None = None
        self.listening: Final = str(replace(listen, port=self._server.server_address[1]))
        """`host:port`."""
        self.url: Final = f"http://{self.listening}/"

    def run(self) -> None:
        """Serve until `close`, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.2)

    def start(self) -> None:
        """Serve on a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="otel_fe-dashboard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()


class _Listening(ThreadingHTTPServer):
    """Answers so many at once; further connections wait in the kernel."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], site: Site) -> None:
        self.site = site
        self.room = threading.BoundedSemaphore(_MOST_AT_ONCE)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin with a connection once there is room for it."""
        if not self.room.acquire(timeout=_IDLE_S):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a reader who went away is no error."""


class _Connection(BaseHTTPRequestHandler):
    """One connection. Nothing of a request is logged: its address may hold names."""

    protocol_version = "HTTP/1.1"
    server_version = "otel_fe"
    sys_version = ""
    timeout = _IDLE_S
    # Head and body are two writes: held back for the acknowledgement of the first, each answer would wait 40 ms.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Listening

    def do_GET(self) -> None:  # noqa: N802 the library's name
        """Answer."""
        self._answer(b"")

    do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def do_POST(self) -> None:  # noqa: N802
        """Read a form of bounded size, and answer."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > 3 * MOST_BYTES:  # a form's encoding makes three of one
            self.close_connection = True
            self._send(Answer(413, b"send a form of at most 256 KiB\n", "text/plain"))
            return
        self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        if self.command not in ("GET", "HEAD", "POST"):
            self.close_connection = True  # whatever body it has is not read
        headers = {name.lower(): value for name, value in self.headers.items()}
        if len(self.headers.get_all("Host") or ()) > 1:
            headers["host"] = ""
        self._send(self.server.site.answer(Question(self.command, self.path, headers, body)))

    def _send(self, answer: Answer) -> None:
        body = answer.body
        packed = len(body) >= _WORTH_BYTES and "gzip" in self.headers.get("Accept-Encoding", "")
        if packed:
            body = gzip.compress(body, 1)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Cache-Control", "public, max-age=31536000, immutable" if answer.cacheable else "no-store")
        self.send_header("Vary", "Accept-Encoding, Cookie")
        for name, value in (*SECURITY, *answer.headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the library's name
        """Log nothing."""
