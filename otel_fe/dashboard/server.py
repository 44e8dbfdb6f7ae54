"""The dashboard's HTTP server: the collector's own, which bounds every stage of a request, in front of the site."""

from __future__ import annotations

import asyncio
import gzip
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers.daemon_pool import DaemonPool
from otel_fe.collector.servers.http_limits import HttpLimits
from otel_fe.collector.servers.http_messages import HttpRequest, Response, Terms
from otel_fe.collector.servers.http_server import HttpServer
from otel_fe.collector.servers.loop import Loop
from otel_fe.dashboard.page_response import SECURITY, PageResponse
from otel_fe.dashboard.policy_view import MOST_BYTES
from otel_fe.dashboard.site import Question

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.dashboard.site import Site

_LIMITS: Final = HttpLimits(read_s=30.0, idle_s=60.0, most_connections=256)
_AT_ONCE: Final = 8
"""Pages that are made at a time: each holds a thread while the store is read."""
_MOST_WAITING: Final = 64
"""Requests that wait for one of these; further ones get 503."""
_WORTH_BYTES: Final = 1_000
_LOGIN_BYTES: Final = 4 * 1024
_FORM_BYTES: Final = 3 * MOST_BYTES
"""A form's encoding makes three bytes of one."""
_TOO_LARGE: Final = Response(413, b"send a form of at most 262 kB\n")
_BUSY: Final = PageResponse(503, b"busy; try again\n", "text/plain", (("Retry-After", "1"),))


class DashboardServer:
    """Serves a site until it is closed.

    Args:
        site: What answers.
        listen: Where.
        limits: Deadlines, and how many connections.

    Raises:
        OSError: The address cannot be had.
    """

    def __init__(self, site: Site, listen: Endpoint, limits: HttpLimits = _LIMITS) -> None:
        self._site = site
        self._pool = DaemonPool(_AT_ONCE, "otel_fe-dashboard")
        self._ended = threading.Event()
        self._loop = Loop()
        self._server = HttpServer(self._loop, self._look, self._answer, limits)
        try:
            self._server.listen(listen)
        except BaseException:
            self._loop.close()
            raise
        self.listening: Final = str(replace(listen, port=self._server.port))
        """`host:port`."""
        self.url: Final = f"http://{self.listening}/"

    def run(self) -> None:
        """Serve until `close`, or Ctrl-C."""
        self._ended.wait()

    def start(self) -> None:
        """Serve in the background, as it does from the beginning."""

    def close(self) -> None:
        """Close the port."""
        if not self._ended.is_set():
            self._ended.set()
            self._server.stop(1.0)
            self._pool.shutdown(cancel_futures=True)
            self._loop.close()

    def _look(self, request: HttpRequest) -> Terms | Response:
        """Refuse by the head of a request what can be refused by it: nothing more of it is read, and no thread works for it."""
        refused = self._site.refusal(_question(request))
        if refused is not None:
            return _response(refused, request)
        if request.method != "POST":
            return Terms(0, _TOO_LARGE)
        return Terms(_LOGIN_BYTES if request.path == "/login" else _FORM_BYTES, _TOO_LARGE)

    async def _answer(self, request: HttpRequest) -> Response:
        if self._pool.waiting >= _MOST_WAITING:
            return _response(_BUSY, request)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._made, request)

    def _made(self, request: HttpRequest) -> Response:
        return _response(self._site.answer(_question(request)), request)


def _question(request: HttpRequest) -> Question:
    target = f"{request.path}?{request.query}" if request.query else request.path
    return Question(request.method, target, request.headers, request.body, request.sender)


def _response(answer: PageResponse, request: HttpRequest) -> Response:
    body = answer.body
    headers = [
        ("Cache-Control", "public, max-age=31536000, immutable" if answer.cacheable else "no-store"),
        ("Vary", "Accept-Encoding, Cookie"),
        *SECURITY,
        *answer.headers,
    ]
    if len(body) >= _WORTH_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1)
        headers.append(("Content-Encoding", "gzip"))
    return Response(answer.status, body, answer.content_type, headers)
