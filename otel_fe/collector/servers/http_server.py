"""HTTP/1.1 servers, all on one thread with one event loop: see `Loop`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers.byte_stream import READ_BYTES, ByteStream
from otel_fe.collector.servers.connections import Connections
from otel_fe.collector.servers.http_connection import HttpConnection
from otel_fe.collector.servers.http_limits import HttpLimits
from otel_fe.collector.servers.open_files import most_connections
from otel_fe.collector.servers.taken_ports import listen_error, listening_socket

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.http_messages import Answer, Look
    from otel_fe.collector.servers.loop import Loop

_BACKLOG: Final = 256
"""Connections that wait in the kernel."""
_ACCEPTS: Final = 16
"""Connections that are accepted at a time: each takes a file before another can be made to give one up."""


class HttpServer:
    """Listens on one address.

    Args:
        loop: Where it runs.
        look: See `Look`.
        answer: See `Answer`.
        limits: Times, and how many connections.
        tls: None for plain HTTP.
        turned_away: Called for each connection that is cut off to make room for a new one.
    """

    def __init__(
        self,
        loop: Loop,
        look: Look,
        answer: Answer,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        turned_away: Callable[[], None] | None = None,
    ) -> None:
        self.look = look
        self.answer = answer
        self._loop = loop
        self._limits = limits or HttpLimits()
        self._tls = tls
        self._turned_away = turned_away
        self._connections: Connections[HttpConnection, asyncio.Task[None]] = Connections(
            most_connections(self._limits.most_connections)
        )
        self._buffer = bytearray(READ_BYTES)
        self._server: asyncio.Server | None = None
        self.port = 0

    def listen(self, endpoint: Endpoint, *, shared: bool = False) -> None:
        """Start listening; with `shared`, on a port that other processes listen on, too.

        Raises:
            OSError: The port is taken.
        """
        try:
            self._server = self._loop.call(self._listen(endpoint, shared=shared))
        except OSError as error:
            raise listen_error(endpoint, error) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self, grace_s: float) -> None:
        """Stop accepting connections and requests; those in progress have `grace_s`."""
        self._loop.call(self._stop(grace_s))

    async def _listen(self, endpoint: Endpoint, *, shared: bool) -> asyncio.Server:
        listener = listening_socket(endpoint, shared=shared)
        # asyncio takes its `backlog` also for how many connections it accepts before it serves one of them.
        server = await asyncio.get_running_loop().create_server(self._stream, sock=listener, backlog=_ACCEPTS)
        listener.listen(_BACKLOG)
        return server

    def _stream(self) -> ByteStream:
        return ByteStream(self._buffer, self._opened)

    def _opened(self, stream: ByteStream) -> None:
        """Serve a connection. The TLS handshake is part of that: it too has a deadline, and takes a connection's place."""
        connection = HttpConnection(stream, self.look, self.answer, self._limits, self._loop.held, self._tls)
        task = asyncio.get_running_loop().create_task(self._serve(connection, stream))
        if self._connections.add(connection, task) and self._turned_away is not None:
            self._turned_away()

    async def _serve(self, connection: HttpConnection, stream: ByteStream) -> None:
        try:
            await connection.serve()
        except asyncio.CancelledError:
            stream.abort()
        finally:
            self._connections.remove(connection)

    async def _stop(self, grace_s: float) -> None:
        if self._server is not None:
            self._server.close()
        tasks = self._connections.tasks
        for connection, task in list(tasks.items()):
            connection.closing = True
            if connection.idle:
                task.cancel()
        if tasks:
            await asyncio.wait(list(tasks.values()), timeout=grace_s)
        for task in list(tasks.values()):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks.values()), timeout=1)
