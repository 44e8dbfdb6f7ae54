"""HTTP/1.1 servers, all on one thread with one event loop: see `Loop`."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers.http_connection import HttpConnection, Limits

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.http_messages import Answer, Look
    from otel_fe.collector.servers.loop import Loop

_MOST_CONNECTIONS: Final = 1_000
_BACKLOG: Final = 256
_HANDSHAKE_S: Final = 10.0


class HttpServer:
    """Listens on one address.

    Args:
        loop: Where it runs.
        look: See `Look`.
        answer: See `Answer`.
        limits: Times.
        tls: None for plain HTTP.
        turned_away: Told of each connection that is closed at once, since there are too many.
    """

    def __init__(
        self,
        loop: Loop,
        look: Look,
        answer: Answer,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        turned_away: Callable[[], None] | None = None,
    ) -> None:
        self.look = look
        self.answer = answer
        self._loop = loop
        self._limits = limits or Limits()
        self._tls = tls
        self._turned_away = turned_away
        self._connections: dict[asyncio.Task[None], HttpConnection] = {}
        self._server: asyncio.Server | None = None
        self.port = 0

    def listen(self, endpoint: Endpoint, *, shared: bool = False) -> None:
        """Begin to listen; with `shared`, on a port that other processes listen on, too.

        Raises:
            OSError: The port is taken.
        """
        try:
            self._server = self._loop.call(self._listen(endpoint, shared=shared))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {endpoint}: {error.strerror or error}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    def listen_on_socket(self, path: Path) -> None:
        """Begin to listen on a Unix socket."""
        self._server = self._loop.call(self._listen_on_socket(path))

    def stop(self, grace_s: float) -> None:
        """Take no new connection or request; those under way have `grace_s`."""
        self._loop.call(self._stop(grace_s))

    async def _listen(self, endpoint: Endpoint, *, shared: bool) -> asyncio.Server:
        family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        return await asyncio.start_server(
            self._serve,
            endpoint.address,
            endpoint.port,
            family=family,
            backlog=_BACKLOG,
            ssl=self._tls,
            reuse_port=shared or None,
            ssl_handshake_timeout=_HANDSHAKE_S if self._tls else None,
        )

    async def _listen_on_socket(self, path: Path) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, path, backlog=_BACKLOG)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= _MOST_CONNECTIONS and not self._drop_idle():
            if self._turned_away is not None:
                self._turned_away()
            writer.transport.abort()
            return
        task = asyncio.current_task()
        connection = HttpConnection(reader, writer, self.look, self.answer, self._limits)
        if task is not None:
            self._connections[task] = connection
        try:
            await connection.serve()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            if task is not None:
                self._connections.pop(task, None)

    def _drop_idle(self) -> bool:
        """Close the oldest connection that waits for a request; whether there was one."""
        for task, connection in self._connections.items():
            if connection.idle:
                task.cancel()
                del self._connections[task]
                return True
        return False

    async def _stop(self, grace_s: float) -> None:
        if self._server is not None:
            self._server.close()
        for task, connection in list(self._connections.items()):
            connection.closing = True
            if connection.idle:
                task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=grace_s)
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=1)
