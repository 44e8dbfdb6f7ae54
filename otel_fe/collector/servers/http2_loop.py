"""A thread that serves gRPC connections: it waits for all of them at once, and processes their calls itself.

A call costs no switch between threads that way. Two of these run beside each other, so that one that waits for a disk does not
keep the other's senders waiting.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers.connections import Connections
from otel_fe.collector.servers.held_bytes import HeldBytes
from otel_fe.collector.servers.http2_connection import Http2Connection
from otel_fe.collector.servers.socket_stream import PlainStream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from otel_fe.collector.servers.grpc_calls import GrpcCalls
    from otel_fe.collector.servers.grpc_limits import GrpcLimits
    from otel_fe.collector.servers.socket_stream import SocketStream

_log = logging.getLogger("otel_fe")
_BUFFER_BYTES: Final = 1 << 18
"""The most that is read at once."""
_CHECK_S: Final = 1.0
"""Between two looks at what has taken too long."""
_STOPPING_S: Final = 0.05
"""The same while it stops."""
_HELD_UP_S: Final = 0.02
"""A loop that has not waited for so long is held up by a call."""
_READ: Final = selectors.EVENT_READ
_BOTH: Final = selectors.EVENT_READ | selectors.EVENT_WRITE


class Http2Loop:
    """Serves some of a server's connections.

    Args:
        name: Of its thread.
        calls: Takes the calls.
        limits: Times and numbers.
        most_connections: How many it may have.
        most_held_bytes: Returns the bound on the bytes of unfinished calls.
        tls: None for plain HTTP/2.
    """

    def __init__(
        self,
        name: str,
        calls: GrpcCalls,
        limits: GrpcLimits,
        most_connections: int,
        most_held_bytes: Callable[[], int],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._calls = calls
        self._limits = limits
        self._most_held_bytes = most_held_bytes
        self._tls = tls
        self._connections: Connections[Http2Connection, int] = Connections(most_connections)
        """Each with the events that it waits for."""
        self._held = HeldBytes(most_held_bytes())
        self._buffer = bytearray(_BUFFER_BYTES)
        self._inbox: deque[Callable[[float], None]] = deque()
        """Functions of the current time that the loop's thread is to call."""
        self._checked_s = 0.0
        self._began_s: float | None = None
        """When it began to process what had come; None while it waits."""
        self._resting = False
        """Whether it does not watch the listener for a moment."""
        self._ends_s: float | None = None
        """When connections that are still open are closed; None until it stops."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __len__(self) -> int:
        return len(self._connections.tasks)

    @property
    def load(self) -> tuple[bool, int]:
        """Return whether a call holds it up, and its connections: less is better. Called from any thread."""
        began_s = self._began_s
        held_up = began_s is not None and time.monotonic() - began_s > _HELD_UP_S
        return held_up, len(self._connections.tasks) + len(self._inbox)

    def start(self, listener: socket.socket, accept: Callable[[], bool]) -> None:
        """Start the thread.

        Args:
            listener: Watched until `stop`, which closes it.
            accept: Called when a connection waits there; returns false to be left alone for a second.
        """
        self._listener = listener
        self._accept = accept
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        for one in (self._wake_in, self._wake_out):
            one.setblocking(False)
        self._selector.register(self._wake_out, _READ, self._woken)
        self._selector.register(listener, _READ, self._accepting)
        self._thread.start()

    def adopt(self, connected: socket.socket, sender: str) -> None:
        """Serve a connection; called from any thread."""
        self._call_soon(lambda now_s: self._open(connected, sender, now_s))

    def stop(self, grace_s: float) -> None:
        """Accept no more calls; those in progress have `grace_s`. Called from any thread."""
        self._call_soon(lambda now_s: self._stop(now_s, now_s + grace_s))

    def join(self) -> None:
        """Wait for the thread's end."""
        self._thread.join()

    # --- on its thread -----------------------------------------------------------------------------------------------------

    def _call_soon(self, call: Callable[[float], None]) -> None:
        self._inbox.append(call)
        with contextlib.suppress(OSError):  # it is awake, or has ended
            self._wake_in.send(b"\0")

    def _run(self) -> None:
        try:
            while self._ends_s is None or len(self) or self._inbox:
                self._turn()
        finally:
            self._selector.close()
            self._wake_in.close()
            self._wake_out.close()

    def _turn(self) -> None:
        busy = len(self) or self._resting
        self._began_s = None
        ready = self._selector.select(_STOPPING_S if self._ends_s is not None else _CHECK_S if busy else None)
        self._began_s = now_s = time.monotonic()
        for key, _ in ready:
            if isinstance(key.data, Http2Connection):
                self._serve(key.data, now_s)
            else:
                key.data()
        while self._inbox:
            self._inbox.popleft()(now_s)
        if now_s - self._checked_s >= _CHECK_S or self._ends_s is not None:
            self._check(now_s)

    def _accepting(self) -> None:
        if not self._accept():
            self._selector.unregister(self._listener)
            self._resting = True
            self._checked_s = time.monotonic()  # until the next check

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4_096)

    def _open(self, connected: socket.socket, sender: str, now_s: float) -> None:
        stream: SocketStream
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = PlainStream(connected) if self._tls is None else _encrypted(connected, self._tls)
        except OSError:
            connected.close()
            return
        connection = Http2Connection(stream, sender, self._calls, self._limits, self._held, self._forget, now_s)
        self._selector.register(stream.socket, _READ, connection)
        if self._connections.add(connection, _READ):
            self._calls.intake.refuse("connections")
        if self._ends_s is not None:
            connection.end_gently(now_s)

    def _serve(self, connection: Http2Connection, now_s: float) -> None:
        if not connection.closed:  # by another's turn
            self._guarded(connection, connection.serve, self._buffer, now_s)
            self._settle(connection)

    def _guarded(self, connection: Http2Connection, call: Callable[..., None], *values: object) -> None:
        """Call a method of a connection; should it fail, end that connection alone."""
        try:
            call(*values)
        except Exception:
            _log.exception("a gRPC connection failed")
            connection.close()

    def _settle(self, connection: Http2Connection) -> None:
        """Wait for what a connection waits for now, or forget it."""
        if connection.closed:
            self._forget(connection)
            return
        events = _BOTH if connection.wants_to_write else _READ
        if self._connections.tasks.get(connection) != events:
            self._connections.tasks[connection] = events
            self._selector.modify(connection.stream.socket, events, connection)

    def _forget(self, connection: Http2Connection) -> None:
        self._connections.remove(connection)
        with contextlib.suppress(KeyError, ValueError):  # it was given up for another before
            self._selector.unregister(connection.stream.socket)
        connection.stream.socket.close()

    def _check(self, now_s: float) -> None:
        self._checked_s = now_s
        self._held.most_bytes = self._most_held_bytes()
        if self._resting and self._ends_s is None:
            self._resting = False
            self._selector.register(self._listener, _READ, self._accepting)
        for connection in list(self._connections.tasks):
            if self._ends_s is not None and now_s >= self._ends_s:
                connection.close()
            else:
                self._guarded(connection, connection.check, now_s)
            self._settle(connection)

    def _stop(self, now_s: float, ends_s: float) -> None:
        if self._ends_s is None:
            if not self._resting:
                self._selector.unregister(self._listener)
            self._listener.close()
        self._ends_s = ends_s
        for connection in list(self._connections.tasks):
            connection.end_gently(now_s)
            self._settle(connection)


def _encrypted(connected: socket.socket, context: ssl.SSLContext) -> SocketStream:
    from otel_fe.collector.servers.tls_stream import TlsStream  # noqa: PLC0415 it imports OpenSSL

    return TlsStream(connected, context)
