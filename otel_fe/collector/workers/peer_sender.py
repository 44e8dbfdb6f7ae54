"""Sends frames to one other process over its Unix socket, in the background and in their order; a dead one is waited for."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("otel_fe")
_RETRY_S: Final = 0.05
_GIVE_UP_S: Final = 10.0
"""After so long without the other, what waits for it is lost; a dead worker is started again within a second or two."""


class PeerSender:
    """A connection to one other process. Thread-safe.

    Args:
        name: Of the other, for messages.
        path: Of its socket.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.sent = 0
        """The amount handed over, in the unit of `put`."""
        self.lost = 0
        """The amount that could not be handed over."""
        self.waiting_bytes = 0
        self._path = path
        self._frames: deque[tuple[bytes, int]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"otel-fe-to-{name}", daemon=True)
        self._thread.start()

    def put(self, data: bytes, items: int) -> None:
        """Send a frame, later.

        Args:
            data: The frame.
            items: How many are in it.
        """
        with self._changed:
            self._frames.append((data, items))
            self.waiting_bytes += len(data)
            self._changed.notify_all()

    def flush(self, deadline_s: float) -> bool:
        """Wait until all is sent; whether that came to pass in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._frames, max(0.0, deadline_s - time.monotonic()))

    def close(self, timeout_s: float | None = None) -> None:
        """Send what waits, for so long at the most, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        connection: socket.socket | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._closed)
                if not self._frames:
                    break
                data, items = self._frames[0]  # it stays there until it is sent: `flush` waits for that
            connection, sent = self._send(connection, data)
            with self._changed:
                self._frames.popleft()
                self.waiting_bytes -= len(data)
                self.sent += items if sent else 0
                self.lost += 0 if sent else items
                self._changed.notify_all()
        if connection is not None:
            connection.close()

    def _send(self, connection: socket.socket | None, data: bytes) -> tuple[socket.socket | None, bool]:
        """Send a frame, on a new connection where the one before ended; whether it was sent."""
        deadline_s = time.monotonic() + _GIVE_UP_S
        while True:
            try:
                if connection is None:
                    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    connection.connect(str(self._path))
                connection.sendall(data)
            except OSError as error:
                if connection is not None:
                    connection.close()
                connection = None
                if self._closed or time.monotonic() >= deadline_s:
                    _log.warning("%s cannot be reached (%s): the spans waiting for it are lost", self.name, error)
                    return None, False
                time.sleep(_RETRY_S)
            else:
                return connection, True
