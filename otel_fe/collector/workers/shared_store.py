"""The store of all workers, in the supervisor's process, which writes it and evaluates SLOs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.decision_lookup import DECIDED
from otel_fe.collector.store_sink import store_samples
from otel_fe.collector.stored_decisions import stored_record
from otel_fe.collector.workers.peer_receiver import PeerReceiver
from otel_fe.collector.workers.remote_store import SOCKET, into_store

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.collector.accounts import Sample
    from otel_fe.collector.slo_watch import SloWatch
    from otel_fe.store import Store

_GRACE_S: Final = 5.0


class SharedStore:
    """Receives items from workers, and stores them.

    Args:
        store: Open.
        watch: Alerts on what it has counted.
    """

    def __init__(self, store: Store, watch: SloWatch) -> None:
        self.directory: Final = store.directory
        self._store = store
        self._watch = watch
        self._taking: PeerReceiver | None = None

    def start(self, folder: Path) -> None:
        """Start receiving from the socket in a folder, and evaluating SLOs."""
        self._taking = PeerReceiver(folder / SOCKET, into_store(self._store))
        self._watch.start()

    def samples(self) -> list[Sample]:
        """Return the figures of the store and of the watch."""
        return [*store_samples(self._store.counters), *self._watch.samples()]

    def explained(self, trace_id: int) -> dict[str, Any]:
        """Return what is stored of a decision, as `explaining.explained` has it; nothing where nothing is."""
        record = stored_record(trace_id, self.directory)
        return {} if record is None else {"state": DECIDED, "trace_id": f"{trace_id:032x}", "record": record}

    def stop(self, timeout_s: float) -> None:
        """Receive the last items of the ended workers, write them, and close the store."""
        if self._taking is not None:
            self._taking.finish(_GRACE_S)
        self._watch.stop()
        self._store.close(timeout_s)
