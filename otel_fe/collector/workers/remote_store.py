"""A worker's side of the store: it sends items to the supervisor, the only process that writes."""

from __future__ import annotations

import logging
import pickle
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.workers.frames import frame
from otel_fe.collector.workers.peer_sender import PeerSender
from otel_fe.store.points import points_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.store import KeptBatch, Store
    from otel_fe.store.points import MetricPoint

_log = logging.getLogger("otel_fe")
_INVALID: Final = "invalid"
_PATIENCE_S: Final = 0.05
SOCKET: Final = "store"
"""Name of the socket where the supervisor takes what is to be stored."""
_MOST_BYTES: Final = 64 << 20
"""The bound of the queue; further items are lost, as with a store's own full queue."""


class RemoteStore:
    """Sends items to the supervisor's store, from any thread, without waiting. Losses are counted in `lost`, by reason.

    Args:
        directory: The store's.
        path: Of the socket where the supervisor takes things.
        who: Distinguishes this process's counts from others' for the same resources.
    """

    def __init__(self, directory: Path, path: Path, who: str) -> None:
        self.directory: Final = directory
        self._who = who
        self._link = PeerSender("the store", path)
        self._never: Counter[str] = Counter()

    @property
    def written(self) -> dict[str, int]:
        """Nothing: who writes it counts it."""
        return {}

    @property
    def lost(self) -> dict[str, int]:
        """Items that were not handed over, by reason."""
        return dict(+(self._never + Counter(not_handed_over=self._link.lost)))

    def add_batch(self, batch: KeptBatch) -> bool:
        """Store all of a batch, or nothing of it; return false where there is no room for it now."""
        if self._link.waiting_bytes > _MOST_BYTES:
            return False
        return self._put("batch", replace(batch, points=tuple(self._as_ours(batch.points))), len(batch))

    def lose(self, reason: str, items: int) -> None:
        """Count items that were never handed over."""
        self._never[reason] += items

    def add_metrics(self, metrics: Sequence[ResourceMetrics]) -> bool:
        """Store metrics of the pipeline's."""
        points = [point for of_resource in metrics for point in points_of(of_resource)]
        return self._put("points", list(self._as_ours(points)))

    def add_otlp_metrics(self, payload: bytes) -> bool:
        """Store metrics as a process exported them."""
        return self._put("otlp_metrics", payload)

    def close(self, timeout_s: float = 30.0) -> bool:
        """Hand over what waits; return whether that came to pass in time."""
        flushed = self._link.flush(time.monotonic() + timeout_s)
        self._link.close(1.0)
        return flushed

    def _as_ours(self, points: Iterable[MetricPoint]) -> Iterator[MetricPoint]:
        return (replace(point, source=f"{point.source} {self._who}") for point in points)

    def _put(self, kind: str, content: Any, items: int = 1) -> bool:
        if self._link.waiting_bytes > _MOST_BYTES:
            self.lose("queue_full", items)
            return False
        self._link.put(frame(kind, pickle.dumps(content, pickle.HIGHEST_PROTOCOL)), items)
        return True


def _patient(store: Store) -> Callable[[KeptBatch], None]:
    """Return what waits until the store has room, and with it the worker, which then hands over nothing more."""

    def add(batch: KeptBatch) -> None:
        while not store.add_batch(batch):
            time.sleep(_PATIENCE_S)

    return add


def into_store(store: Store) -> Callable[[str, bytes], int]:
    """Return a consumer that writes items of workers to a store: see `PeerReceiver`."""
    adds: dict[str, Callable[[Any], object]] = {
        "batch": _patient(store),
        "points": store.add_points,
        "otlp_metrics": store.add_otlp_metrics,
    }

    def take(kind: str, payload: bytes) -> int:
        try:
            # Our own processes wrote it: the socket is in a folder that only this user can enter.
            adds[kind](pickle.loads(payload))  # noqa: S301
        except Exception as error:
            # A worker that was started after otel_fe was changed under us may say what we do not know.
            if not store.counters.lost.get(_INVALID):
                _log.warning("data that a worker sent to the store cannot be read (%r); it is counted as lost", error)
            store.counters.lose(_INVALID)
        return 1

    return take
