"""The running collector: exporters, pipelines and receivers, started, changed and stopped as one."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector import own_metrics, pending
from otel_fe.collector.accounts import samples_of
from otel_fe.collector.active_exporters import Exporters
from otel_fe.collector.active_receivers import Listeners
from otel_fe.collector.decision_lookup import explained
from otel_fe.collector.graph.build import BuildContext, PipelineBuilder
from otel_fe.collector.graph.connected import send_metrics
from otel_fe.collector.graph.graph import PipelineGraph
from otel_fe.collector.reload import transfer_state
from otel_fe.collector.servers.held_bytes import most_held_bytes
from otel_fe.collector.wakeup_timer import WakeupTimer
from otel_fe.config.extensions import FileStorage
from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.clock import Clock
    from otel_fe.collector.accounts import Sample
    from otel_fe.collector.graph.graph import Partition
    from otel_fe.collector.graph.parts import Parts
    from otel_fe.collector.process_memory import Garbage
    from otel_fe.collector.servers.loop import Loop
    from otel_fe.collector.slo_watch import SloWatch
    from otel_fe.collector.store_sink import StoreSink
    from otel_fe.config.collector import CollectorConfig
    from otel_fe.pipeline.counters import Counters

_log = logging.getLogger("otel_fe")
_OWN_METRICS_NS: Final = MINUTE_NS
_GONE_S: Final = 5.0
_PENDING: Final = "pending_traces"


@dataclass(frozen=True, slots=True)
class Role:
    """The role of one process of several."""

    workers: int = 1
    partition: Partition | None = None
    """Passes spans of other workers' traces on to them."""
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Keyed by receiver and protocol: the ports that all workers share where the file leaves the choice of a port to otel_fe."""


class Collector:
    """One process's collector.

    Args:
        config: Its configuration.
        clock: Both clocks.
        loop: Where HTTP servers run.
        role: Which of several processes it is.
        open_to_all: See `Options.open_to_all`.
        keeping: Puts what is kept into the store; None without one.
        watch: Alerts on what the store has counted; None without one.
        garbage: Looks for cycles of garbage, in a process that is the collector's alone.
    """

    def __init__(
        self,
        config: CollectorConfig,
        clock: Clock,
        loop: Loop,
        role: Role | None = None,
        *,
        open_to_all: bool = False,
        keeping: StoreSink | None = None,
        watch: SloWatch | None = None,
        garbage: Garbage | None = None,
    ) -> None:
        self.config = config
        self.instance_id = str(uuid.uuid4())
        self.started_ns = clock.time_ns()
        self.started_s = time.monotonic()
        self._clock = clock
        self._loop = loop
        self._role = role or Role()
        self._keeping = keeping
        self._watch = watch
        self._context = BuildContext(clock, self.instance_id, self._role.workers, stored=keeping is not None)
        self._exporters = Exporters(clock)
        shared = self._role.ports if self._role.workers > 1 else None
        self._listeners = Listeners(loop, lambda: self.engine, open_to_all=open_to_all, shared=shared)
        self._lock = threading.Lock()
        """The lock of the engines: see `PipelineGraph`."""
        self._changing = threading.Lock()
        self._alarm = WakeupTimer(clock)
        self._ticking = threading.Thread(target=self._tick, name="otel-fe-tick", daemon=True)
        self._garbage = garbage
        self._retired: list[Counters] = []
        self.restored = 0
        """Spans that an earlier process left pending."""
        self.saved = 0
        """Spans that are left pending for the next."""
        self.engine: PipelineGraph

    @property
    def listening(self) -> list[tuple[str, str, str]]:
        """Receiver, protocol and address of each server."""
        return self._listeners.listening

    def start(self) -> None:
        """Start all parts.

        Raises:
            OtelFeError, OSError: A part cannot be started; all others have been stopped.
        """
        self._exporters.apply(self.config)
        try:
            self.engine = self._built(self.config, None)
            path = pending_path(self.config)
            if path is not None:
                self.restored = pending.restore(path, self.engine, self._clock)
            self._listeners.apply(self.config)
        except BaseException:
            self._listeners.stop(0)
            self._exporters.shutdown(0)
            raise
        if self._garbage is not None:
            self._garbage.take_charge()
        self._ticking.start()
        if self._watch is not None:
            self._watch.start()

    def change(self, config: CollectorConfig) -> None:
        """Change to another configuration; unchanged parts continue, and no connection is closed.

        Raises:
            OtelFeError, OSError: The new configuration cannot be used; the old one stays active.
        """
        with self._changing:
            old = self.engine
            change = self._exporters.apply(config)
            try:
                engine = self._built(config, old.parts)
                self._listeners.apply(config)
            except BaseException:
                self._exporters.undo(change)
                raise
            with old.locked():
                old.closed = True
                self._retired += transfer_state(engine.parts, old)
                self.engine, self.config = engine, config
            self._alarm.by(self._clock.monotonic_ns())
            old.finish()
            for exporter in change.gone:
                exporter.shutdown(_GONE_S)

    def quiesce(self, grace_s: float) -> None:
        """Stop accepting requests; those in progress have `grace_s`. Pending traces are still decided."""
        with self._changing:
            self._listeners.stop(grace_s)
            with self.engine.locked():
                pass  # what waits for other requests is handed over to other workers before they stop

    def stop(self, grace_s: float) -> None:
        """Stop accepting requests, decide or save pending traces, and send kept ones."""
        deadline_s = time.monotonic() + grace_s
        self.quiesce(min(2.0, grace_s / 3))
        with self._changing:
            self._alarm.stop()
            self._ticking.join()
            if self._watch is not None:
                self._watch.stop()
            path = pending_path(self.config)
            self.engine.close(decide=path is None)
            if path is not None:
                self._save(path)
            self.send_own_metrics()
            if self._keeping is not None:
                self._keeping.finish(self.engine, max(0.5, deadline_s - time.monotonic()))
            self._exporters.shutdown(max(0.5, deadline_s - time.monotonic()))

    def explained(self, trace_id: int) -> dict[str, Any]:
        """Return the explanation of a trace: see `explaining.explained`."""
        stored = self._keeping.record if self._keeping is not None else None
        return explained(self.engine, trace_id, self._clock.monotonic_ns(), stored)

    def samples(self) -> list[Sample]:
        """Return the collector's own figures."""
        found = samples_of(self.engine, self._listeners.received, self._retired, self.started_s)
        found += self._keeping.samples() if self._keeping is not None else []
        return found if self._watch is None else found + self._watch.samples()

    def send_own_metrics(self) -> None:
        """Send the collector's own figures to the metrics pipelines."""
        engine = self.engine
        if self.config.telemetry.metrics_level != "none" and engine.parts.own_metrics_to:
            now_ns = self._clock.time_ns()
            payload = own_metrics.encode(self.samples(), self.instance_id, self.started_ns, now_ns)
            send_metrics(payload, engine.parts.own_metrics_to)

    def _built(self, config: CollectorConfig, before: Parts | None) -> PipelineGraph:
        context = replace(self._context, durable=self._exporters.durable)
        parts = PipelineBuilder(config, self._exporters.running, context, before).build()
        if self._keeping is not None:
            self._keeping.observe(parts)
        limits = {limit for routes in parts.routes.values() for route in routes.values() for limit in route.limits}
        self._loop.held.most_bytes = most_held_bytes(limit.soft_bytes for limit in limits)
        return PipelineGraph(
            parts, self._clock, self._lock, self._role.partition, self._keeping, self._alarm.by, gathers=True
        )

    def _save(self, path: Path) -> None:
        """Save pending traces for the next process; if the disk refuses them, decide them with the spans they have."""
        try:
            self.saved = pending.save(path, self.engine, self._clock)
        except OSError as error:
            _log.warning("pending traces cannot be saved (%s); each is decided now, with the spans it has", error)
            self.engine.close(decide=True)

    def _tick(self) -> None:
        own_ns = self._clock.monotonic_ns() + _OWN_METRICS_NS
        while self._alarm.wait():
            try:
                engine = self.engine
                engine.tick()
                if self._garbage is not None:
                    self._garbage.work()
                if self._keeping is not None:
                    self._keeping.work(engine)
                if self._clock.monotonic_ns() >= own_ns:
                    own_ns += _OWN_METRICS_NS
                    self.send_own_metrics()
                stored_ns = self._keeping.due_ns if self._keeping is not None else own_ns
                self._alarm.by(min(engine.due_ns(), own_ns, stored_ns))
            except Exception:
                # Everything depends on this thread: it continues after any error in a round.
                _log.exception("a tick of the pipelines failed; the next one follows")


def pending_path(config: CollectorConfig) -> Path | None:
    """Return the file in which pending traces are saved; None without `file_storage`, or if they are to be dropped."""
    for extension in config.extensions.values():
        if isinstance(extension, FileStorage):
            directory = Path(extension.directory)
            if extension.create_directory:
                directory.mkdir(extension.directory_permissions, parents=True, exist_ok=True)
            return directory / _PENDING
    return None
