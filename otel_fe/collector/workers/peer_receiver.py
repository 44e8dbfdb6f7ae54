"""Receives the spans that other processes hand over."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Final

from otel_fe.collector.refusals import StoppingError
from otel_fe.collector.workers.frames import frames
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_fe.collector.graph.graph import PipelineGraph

_log = logging.getLogger("otel_fe")
_BACKLOG: Final = 64


class PeerReceiver:
    """Listens on a Unix socket for the other processes; a thread for each, since there are few.

    Args:
        path: Of the socket. One that a dead process left there is replaced.
        take: Takes the name and the payload of a frame, and returns how many items were in it.
    """

    def __init__(self, path: Path, take: Callable[[str, bytes], int]) -> None:
        self.taken = 0
        """Items."""
        self._take = take
        self._lock = threading.Lock()
        self._connections: set[threading.Thread] = set()
        self._path = path
        self._ending = False
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(_BACKLOG)
        self._accepting = threading.Thread(target=self._accept, name="otel-fe-taking", daemon=True)
        self._accepting.start()

    def finish(self, timeout_s: float) -> None:
        """Wait until the others, which have ended their connections, have been read to the end."""
        self._ending = True
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wake:
            wake.connect(str(self._path))
        self._accepting.join(timeout_s)
        for thread in list(self._connections):
            thread.join(timeout_s)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed, or its peer has gone
            while True:
                connection, _ = self._socket.accept()
                if self._ending:  # waiting peers connected before the wake-up, and may have sent data
                    self._socket.setblocking(False)
                    connection.setblocking(True)
                thread = threading.Thread(target=self._read, args=(connection,), name="otel-fe-from", daemon=True)
                thread.start()
                self._connections.add(thread)

    def _read(self, connection: socket.socket) -> None:
        try:
            for name, payload in frames(connection):
                items = self._take(name, payload)
                with self._lock:
                    self.taken += items
        except (OSError, WireError, UnicodeDecodeError) as error:
            _log.warning("spans from another worker cannot be read: %s", error)
        finally:
            connection.close()
            self._connections.discard(threading.current_thread())


def into_engine(engine: Callable[[], PipelineGraph]) -> Callable[[str, bytes], int]:
    """Return a consumer that passes spans to the active graph, which `engine` returns: see `PeerReceiver`."""

    def take(receiver: str, payload: bytes) -> int:
        now: PipelineGraph | None = engine()
        while now is not None:
            try:
                return now.take_handed(receiver, payload)
            except StoppingError:
                now = now.successor(engine)
        return 0

    return take
