"""OTLP over gRPC by libnghttp2. Requests are passed on as bytes."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers.grpc_calls import GrpcCalls
from otel_fe.collector.servers.grpc_limits import limits_of
from otel_fe.collector.servers.http2_loop import Http2Loop
from otel_fe.collector.servers.open_files import most_connections
from otel_fe.collector.servers.otlp_grpc import OtlpGrpcServer
from otel_fe.collector.servers.taken_ports import listen_error, listening_socket
from otel_fe.collector.servers.tls import ssl_context

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.held_bytes import HeldBytes
    from otel_fe.collector.servers.intake import Intake
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.receivers import GrpcServerSettings

_LOOPS: Final = 2
_BACKLOG: Final = 256
"""Connections that wait in the kernel."""
_ACCEPTS: Final = 16
"""Connections that are accepted at a time: each takes a file before another can be made to give one up."""

_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Errors of `accept` that would come again at once."""


class Http2GrpcServer(OtlpGrpcServer):
    """Listens for OTLP/gRPC.

    Args:
        settings: Of the receiver's `protocols::grpc`.
        endpoint: Where to listen; a port of 0 takes a free one.
        intake: Takes the requests.
        tokens: Accepted tokens; None for no authentication.
        where: The key of the settings, for messages.
        held: Has the bound on the bytes of unfinished requests.

    Raises:
        ConfigurationError: A certificate cannot be used.
    """

    def __init__(
        self,
        settings: GrpcServerSettings,
        endpoint: Endpoint,
        intake: Intake,
        tokens: Tokens | None,
        where: str,
        held: HeldBytes,
    ) -> None:
        super().__init__(GrpcCalls(settings, intake, tokens))
        self._endpoint = endpoint
        self._listener: socket.socket | None = None
        limits = limits_of(settings)
        tls = ssl_context(settings.tls, where, ("h2",)) if settings.tls is not None else None
        most = max(1, most_connections(limits.connections) // _LOOPS)

        def most_held_bytes() -> int:
            return max(held.most_bytes // _LOOPS, 2 * self._calls.most_bytes)

        self._loops = [
            Http2Loop(f"otel-fe-grpc-{number}", self._calls, limits, most, most_held_bytes, tls)
            for number in range(1, _LOOPS + 1)
        ]

    def start(self, *, shared: bool = False) -> None:
        """Start listening; with `shared`, on a port that other processes listen on, too.

        Raises:
            OSError: The port is taken.
        """
        try:
            self._listener = listening_socket(self._endpoint, shared=shared)
            self._listener.listen(_BACKLOG)
        except OSError as error:
            raise listen_error(self._endpoint, error) from error
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        for loop in self._loops:  # each accepts, for the other may be held up
            loop.start(self._listener.dup(), self._accept)

    def stop(self, grace_s: float) -> threading.Event:
        """Stop accepting requests; those in progress have `grace_s`. Return an event that is set at their end."""
        stopped = threading.Event()
        if self._listener is None:
            stopped.set()
            return stopped
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # the port is free at once, even if a loop is held up
        self._listener.close()
        for loop in self._loops:
            loop.stop(grace_s)
        threading.Thread(target=self._wait, args=(stopped,), name="otel-fe-grpc-end", daemon=True).start()
        return stopped

    def _wait(self, stopped: threading.Event) -> None:
        for loop in self._loops:
            loop.join()
        stopped.set()

    def _accept(self) -> bool:
        """Accept what waits, and give each connection to the loop with the fewest; return false if no file is free."""
        assert self._listener is not None  # noqa: S101 it is what called
        for _ in range(_ACCEPTS):
            try:
                stream, address = self._listener.accept()
            except OSError as error:  # nothing waits, or the other side has gone
                return error.errno not in _NO_ROOM
            loop = min(self._loops, key=attrgetter("load"))
            loop.adopt(stream, str(address[0]))
        return True
