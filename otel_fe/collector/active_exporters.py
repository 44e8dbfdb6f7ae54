"""The exporters of the running configuration, replaceable while data flows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.collector.exporters.build import build
from otel_fe.collector.graph.fanout import Settler
from otel_fe.config.exporters import OtlpGrpc, OtlpHttp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.exporter import Exporter, ExporterCounts
    from otel_fe.collector.exporters.payload import Payload
    from otel_fe.config.collector import CollectorConfig
    from otel_fe.config.identifiers import ComponentId

_REPLACED_S: Final = 5.0
"""Time for a replaced exporter to send what it holds."""


class ExporterPlan(NamedTuple):
    """The complete configuration of an exporter: equal plans make equal exporters."""

    identifier: ComponentId
    settings: Any
    extensions: Mapping[ComponentId, Any]
    """Extensions that the exporter names."""
    signals: tuple[str, ...]
    """Signals of the pipelines that name the exporter."""

    def build(self, clock: Clock) -> Exporter:
        """Return such an exporter, not started."""
        name = str(self.identifier)
        return build(self.identifier, self.settings, self.extensions, Settler(name), self.signals, clock=clock)

    @property
    def direct(self) -> bool:
        """Return whether it sends without a queue: `sending_queue: {enabled: false}`."""
        return isinstance(self.settings, OtlpGrpc | OtlpHttp) and self.settings.sending_queue is None

    @property
    def stored(self) -> bool:
        """Return whether its queue is on disk, where only one at a time can have it."""
        queue = getattr(self.settings, "sending_queue", None)
        return queue is not None and queue.storage is not None


class Running:
    """An exporter that can be replaced by another between two payloads.

    Args:
        plan: Of it.
        clock: For waits.
    """

    def __init__(self, plan: ExporterPlan, clock: Clock) -> None:
        self.plan = plan
        self._clock = clock
        self._exporter = plan.build(clock)
        self._replacing = threading.Lock()

    def start(self) -> None:
        """Start sending."""
        self._exporter.start()

    def accept(self, payload: Payload) -> str:
        """Accept a payload, or return the reason for refusing it."""
        return self._now().accept(payload)

    def enqueue(self, payload: Payload) -> str:
        """Accept a payload without waiting for the backend, or return the reason for refusing it."""
        return self._now().enqueue(payload)

    def offer(self, payload: Payload) -> bool:
        """Accept a payload, or settle it with the reason for refusing it."""
        return self._now().offer(payload)

    def settle(self, payload: Payload, reason: str) -> None:
        """Settle a payload that was not taken."""
        self._exporter.settle(payload, reason)

    def _now(self) -> Exporter:
        """Return the active exporter, waiting for the end of a replacement."""
        if not self._replacing.locked():
            return self._exporter
        with self._replacing:
            return self._exporter

    def flush(self, timeout_s: float) -> bool:
        """Send what waits; whether all was settled in time."""
        return self._exporter.flush(timeout_s)

    def shutdown(self, timeout_s: float) -> None:
        """Stop accepting payloads, and settle all."""
        self._exporter.shutdown(timeout_s)

    def counts(self) -> ExporterCounts:
        """Return what has been counted."""
        return self._exporter.counts()

    def replace(self, plan: ExporterPlan) -> None:
        """Put an exporter with other settings in its place; payloads wait meanwhile.

        Raises:
            ConfigurationError, StorageError: It cannot be started; the old one is active again.
        """
        with self._replacing:
            before, new = self._exporter, plan.build(self._clock)
            if not self.plan.stored and not plan.stored:
                new.start()
                self._exporter, self.plan = new, plan
                threading.Thread(target=before.shutdown, args=(_REPLACED_S,), daemon=True).start()
                return
            before.shutdown(_REPLACED_S)
            try:
                new.start()
            except BaseException:
                self._exporter = self.plan.build(self._clock)
                self._exporter.start()
                raise
            self._exporter, self.plan = new, plan


class ExporterChanges(NamedTuple):
    """The changes of a configuration to the exporters."""

    before: dict[str, Running]
    added: list[Running]
    replaced: list[tuple[Running, ExporterPlan]]
    """Replaced exporters, with their former plans."""
    gone: list[Running]
    """Removed exporters, to be shut down once nothing sends to them any more."""


class Exporters:
    """All of them, by id.

    Args:
        clock: For waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.running: dict[str, Running] = {}

    @property
    def durable(self) -> set[str]:
        """The ids of those that answer for what they take: whose queue is on disk, or that have none."""
        return {name for name, one in self.running.items() if one.plan.stored or one.plan.direct}

    def apply(self, config: CollectorConfig) -> ExporterChanges:
        """Start added exporters, and replace changed ones; removed ones continue for now.

        Raises:
            ConfigurationError, StorageError: One cannot be started; all is as it was.
        """
        plans = plans_of(config)
        added = {name: Running(plan, self._clock) for name, plan in plans.items() if name not in self.running}
        change = ExporterChanges(
            dict(self.running), [], [], [one for name, one in self.running.items() if name not in plans]
        )
        try:
            for one in added.values():
                one.start()
                change.added.append(one)
            for name, plan in plans.items():
                before = self.running.get(name)
                if before is not None and before.plan != plan:
                    old = before.plan
                    before.replace(plan)
                    change.replaced.append((before, old))
        except BaseException:
            self.undo(change)
            raise
        kept = {name: one for name, one in self.running.items() if name in plans}
        self.running = {**kept, **added}
        return change

    def undo(self, change: ExporterChanges) -> None:
        """Undo a change."""
        for one in change.added:
            one.shutdown(0.0)
        for one, old in change.replaced:
            one.replace(old)
        self.running = change.before

    def shutdown(self, timeout_s: float) -> None:
        """Shut all down, at the same time."""
        threads = [
            threading.Thread(target=one.shutdown, args=(timeout_s,), name="otel-fe-shutdown")
            for one in self.running.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def plans_of(config: CollectorConfig) -> dict[str, ExporterPlan]:
    """Return the plans of the exporters that pipelines name, by id."""
    found: dict[str, ExporterPlan] = {}
    for identifier, settings in config.exporters.items():
        signals = {p.signal: None for p, pipeline in config.pipelines.items() if identifier in pipeline.exporters}
        queue = getattr(settings, "sending_queue", None)
        named = (getattr(settings, "auth", None), queue.storage if queue is not None else None)
        extensions = {one: config.extensions[one] for one in named if one is not None and one in config.extensions}
        if signals:
            found[str(identifier)] = ExporterPlan(identifier, settings, extensions, tuple(signals))
    return found
