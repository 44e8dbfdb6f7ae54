"""A deadline for a whole HTTP exchange: connect, TLS, proxy, request, head and body of the answer.

urllib3's timeouts are for one read each: a backend that sends a byte now and then holds a thread for as long as it likes. Here a
thread shuts the socket of an exchange down when its time is up, whatever that waits for then. Only a look-up of the host's
name, which the C library does, is out of reach.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Generator


class Exchange:
    """One request, until its answer has been read."""

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s: Final = deadline_s
        """By `time.monotonic`; infinite without a bound."""
        self.connection: Any = None
        """The one that it uses, once there is one."""
        self.expired = False
        """Whether its time was up."""
        self.ended = False
        """Whether it was ended, then or before."""

    def end(self) -> None:
        """Have whatever it waits for fail at once."""
        self.ended = True
        sock = getattr(self.connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                # That of the base class: the one of TLS sockets drops the state that another thread is reading with.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Deadlines:
    """Ends exchanges whose time is up. Thread-safe.

    Args:
        name: Of its thread, which is started with the first exchange.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._exchanges: set[Exchange] = set()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def exchange(self, seconds: float | None) -> Generator[Exchange, None, None]:
        """Bound what is done inside; None for no bound."""
        exchange = Exchange(math.inf if seconds is None else time.monotonic() + seconds)
        _current.exchange = exchange
        self._add(exchange, bounded=seconds is not None)
        try:
            yield exchange
        finally:
            _current.exchange = None
            with self._changed:
                self._exchanges.discard(exchange)

    def end_all(self) -> None:
        """End all exchanges now."""
        with self._changed:
            exchanges = list(self._exchanges)
        for exchange in exchanges:
            exchange.end()

    def _add(self, exchange: Exchange, *, bounded: bool) -> None:
        with self._changed:
            self._exchanges.add(exchange)
            if not bounded:
                return  # `end_all` ends it
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif len(self._exchanges) == 1:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                first_s = min((one.deadline_s for one in self._exchanges if one.deadline_s < math.inf), default=None)
                wait_s = None if first_s is None else first_s - time.monotonic()
                if wait_s is None or wait_s > 0:
                    # One that was added meanwhile ends no earlier: all have the same timeout.
                    self._changed.wait(wait_s)
                    continue
                now_s = time.monotonic()
                late = [one for one in self._exchanges if one.deadline_s <= now_s]
                self._exchanges.difference_update(late)
            for one in late:
                one.expired = True
                one.end()


_current: Final = threading.local()
"""`exchange`: of this thread."""


class _Noted:
    """A connection that registers itself with the exchange of its thread."""

    def connect(self) -> None:
        """Connect, through a proxy too."""
        self._note()
        super().connect()  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request."""
        self._note()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _note(self) -> None:
        exchange = getattr(_current, "exchange", None)
        if exchange is not None:
            exchange.connection = self


class _Connection(_Noted, HTTPConnection):
    pass


class _TlsConnection(_Noted, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls: Any = _TlsConnection


POOLS: Final[dict[str, Any]] = {"http": _Pool, "https": _TlsPool}
"""For `urllib3.PoolManager.pool_classes_by_scheme`: pools whose connections an exchange knows."""
