"""The additional parts of a collector with a store: the store, and the alerts on its content."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.alerting import Origin
from otel_fe.collector.capacity_watch import CapacityWatch
from otel_fe.collector.slo_watch import SloWatch, read_slos
from otel_fe.collector.store_sink import StoreSink
from otel_fe.collector.workers.shared_store import SharedStore
from otel_fe.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.clock import Clock
    from otel_fe.collector.settings import Options


@dataclass(frozen=True, slots=True)
class Stored:
    """An open store."""

    store: Store
    watch: SloWatch
    """Alerts on what the store has counted."""

    def keeping(self) -> StoreSink:
        """Return what puts into it what is kept in this process."""
        return StoreSink(self.store, self.store.counters)

    def shared(self) -> SharedStore:
        """Return what takes from other processes what is kept there."""
        return SharedStore(self.store, self.watch)


def open_stored(directory: Path, options: Options, clock: Clock) -> Stored:
    """Open the store.

    Raises:
        OtelFeError, OSError: It cannot be opened, or something is wrong with the SLOs.
    """
    slos = read_slos(options.slos, os.environ)
    origin = Origin(page=options.page_url, runbook=options.runbook_url)
    capacity = CapacityWatch(directory, options.slos, clock=clock)
    return Stored(Store(directory), SloWatch(directory, slos, clock, options.alertmanager, origin, capacity))
