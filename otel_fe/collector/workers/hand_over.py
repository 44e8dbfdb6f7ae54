"""Hands spans to the worker that decides their trace, in batches, in the background."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from otel_fe.collector.pipelines.engine import encoded
from otel_fe.collector.refusals import PressureError
from otel_fe.collector.wire.batch import Batch
from otel_fe.collector.workers.frames import frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from otel_fe.collector.wire.batch import Trace

_log = logging.getLogger("otel_fe")
_MOST_BYTES: Final = 32 << 20
"""Waiting for one worker; past it, senders are asked to wait."""
_RETRY_S: Final = 0.05
_GIVE_UP_S: Final = 10.0
"""After so long without the other worker, what waits for it is lost; a dead one is started again within a second or two."""


class HandOver:
    """Partitions spans over all workers. Thread-safe.

    Args:
        index: Of this worker.
        sockets: Of all of them, by index.
    """

    def __init__(self, index: int, sockets: Sequence[Path]) -> None:
        self._index = index
        self._links = [None if place == index else _Link(place, path) for place, path in enumerate(sockets)]

    def check(self) -> None:
        """Refuse new spans while too much waits for another worker.

        Raises:
            PressureError: That is so.
        """
        for link in self._links:
            if link is not None and link.waiting_bytes > _MOST_BYTES:
                raise PressureError("worker", f"worker {link.index} does not keep up, or is being started again")

    def own(self, receiver: str, batch: Batch) -> Batch:
        """Hand over what is other workers', and return the rest."""
        shares: list[list[Trace]] = [[] for _ in self._links]
        workers = len(shares)
        for trace in batch.traces:
            # Not by the last bits alone: samplers go by them, and so may those who make ids.
            shares[(trace.trace_id ^ trace.trace_id >> 64) % workers].append(trace)
        for link, traces in zip(self._links, shares, strict=True):
            if link is not None and traces:
                link.put(frame(receiver, encoded(traces)), sum(len(trace.spans) for trace in traces))
        return Batch(shares[self._index], batch.rejected)

    @property
    def sent(self) -> int:
        """Spans that were handed over."""
        return sum(link.sent for link in self._links if link is not None)

    @property
    def lost(self) -> int:
        """Spans that could not be handed over."""
        return sum(link.lost for link in self._links if link is not None)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is handed over; whether that came to pass in time."""
        deadline_s = time.monotonic() + timeout_s
        links = [link for link in self._links if link is not None]
        flushed = [link.flush(deadline_s) for link in links]
        return all(flushed)

    def close(self) -> None:
        """End the connections."""
        for link in self._links:
            if link is not None:
                link.close()


class _Link:
    """The way to one other worker."""

    def __init__(self, index: int, path: Path) -> None:
        self.index = index
        self.sent = 0
        self.lost = 0
        self.waiting_bytes = 0
        self._path = path
        self._frames: deque[tuple[bytes, int]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"otel-fe-to-{index}", daemon=True)
        self._thread.start()

    def put(self, data: bytes, spans: int) -> None:
        """Send a frame, later."""
        with self._changed:
            self._frames.append((data, spans))
            self.waiting_bytes += len(data)
            self._changed.notify_all()

    def flush(self, deadline_s: float) -> bool:
        """Wait until all is sent; whether that came to pass in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._frames, max(0.0, deadline_s - time.monotonic()))

    def close(self) -> None:
        """Send what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        connection: socket.socket | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._closed)
                if not self._frames:
                    break
                data, spans = self._frames[0]  # it stays there until it is sent: `flush` waits for that
            connection, sent = self._send(connection, data)
            with self._changed:
                self._frames.popleft()
                self.waiting_bytes -= len(data)
                self.sent += spans if sent else 0
                self.lost += 0 if sent else spans
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
                    _log.warning("worker %d cannot be reached (%s): spans for it are lost", self.index, error)
                    return None, False
                time.sleep(_RETRY_S)
            else:
                return connection, True
