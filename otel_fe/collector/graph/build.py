"""Builds the running pipelines from a configuration."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.collector.graph.connected import Connected
from otel_fe.collector.graph.derived import Derived
from otel_fe.collector.graph.memory import MemoryLimit
from otel_fe.collector.graph.parts import Parts, Route
from otel_fe.collector.graph.passthrough import PassthroughPipeline
from otel_fe.collector.graph.sampled import SampledPipeline
from otel_fe.config.identifiers import SIGNALS
from otel_fe.config.policies import TailSampling
from otel_fe.config.processors import BatchProcessor, MemoryLimiter
from otel_fe.errors import ConfigurationError
from otel_fe.model.randomness import drawing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.exporter import Exporter
    from otel_fe.config.collector import CollectorConfig
    from otel_fe.config.identifiers import ComponentId, PipelineId
    from otel_fe.config.pipelines import Pipeline
    from otel_fe.config.span_metrics import SpanMetrics


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Inputs of pipelines that are not in the file."""

    clock: Clock
    instance_id: str
    """Id of this process, on span metrics."""
    workers: int = 1
    """The number of worker processes: they share the memory limit, and mark derived metrics with their id."""
    durable: Collection[str] = ()
    """Exporters whose queue is on disk, or that have none. Kept spans go there before their sender gets an acknowledgement,
    rather than wait for a batch in memory, which a power cut would take: batches are for the queue to make
    (`sending_queue::batch`)."""
    stored: bool = False
    """Whether there is a store: extractions are counted for it even without a metrics pipeline."""


class PipelineBuilder:
    """Builds the pipelines of one configuration.

    Args:
        config: The configuration.
        exporters: Built, by id.
        context: All else.
        before: The pipelines that these replace. Unchanged connectors are shared by both.

    Raises:
        ConfigurationError: A pipeline has two samplers, or a limit cannot be kept.
    """

    def __init__(
        self,
        config: CollectorConfig,
        exporters: Mapping[str, Exporter],
        context: BuildContext,
        before: Parts | None = None,
    ) -> None:
        self._config = config
        self._exporters = exporters
        self._context = context
        self._clock = context.clock
        self._plain: dict[PipelineId, PassthroughPipeline] = {}
        self._sampled: dict[PipelineId, SampledPipeline] = {}
        self._limits: dict[PipelineId, tuple[MemoryLimit, ...]] = {}
        self._before = before
        self._connectors = {
            str(identifier): self._connected(str(identifier), settings)
            for identifier, settings in config.connectors.items()
            if any(identifier in pipeline.exporters for pipeline in config.pipelines.values())
        }

    def build(self) -> Parts:
        """Return the pipelines, connected."""
        for identifier, pipeline in self._config.pipelines.items():
            self._add(identifier, pipeline)
        own = self._own_metrics_to()
        derives = bool(own) or self._context.stored
        parts = Parts(
            routes={str(receiver): self._routes(str(receiver), derives=derives) for receiver in self._config.receivers},
            sampled=list(self._sampled.values()),
            plain=list(self._plain.values()),
            connectors=self._connectors,
            metrics_of={
                name: [self._plain[i] for i in self._of_receiver(name, "metrics")] for name in self._connectors
            },
            derived=self._before.derived if self._before is not None else self._derived(),
            own_metrics_to=own,
            exporters=self._exporters,
            keeps_all=not self._sampled,
        )
        self._let_kept_spans_be_exemplars(parts)
        return parts

    def _connected(self, name: str, settings: SpanMetrics) -> Connected:
        same = self._before.connectors.get(name) if self._before is not None else None
        if same is not None and same.settings == settings:
            return same
        return Connected(settings, self._clock, self._context.instance_id)

    def _derived(self) -> Derived:
        marked = self._context.instance_id if self._context.workers > 1 else ""
        return Derived(self._clock, drawing(random.random), marked)

    def _add(self, identifier: PipelineId, pipeline: Pipeline) -> None:
        name, processors = str(identifier), [(i, self._config.processors[i]) for i in pipeline.processors]
        self._limits[identifier] = tuple(self._limit(i, one) for i, one in processors if isinstance(one, MemoryLimiter))
        samplers = [place for place, (_, one) in enumerate(processors) if isinstance(one, TailSampling)]
        if len(samplers) > 1:
            where = f"service::pipelines::{name}::processors"
            raise ConfigurationError(where, str(processors[samplers[1]][0]), "use one tail_sampling in a pipeline")
        exporters = {str(i): self._exporters[str(i)] for i in pipeline.exporters if str(i) in self._exporters}
        after = processors[samplers[0] + 1 :] if samplers else processors
        batch = next((one for _, one in after if isinstance(one, BatchProcessor)), None)
        durable = exporters.keys() & set(self._context.durable)
        if identifier.signal == "profiles":
            batch = None  # requests cannot be joined: each has its own dictionary
        if durable:
            batch = None  # what has been acknowledged is on disk, or at the backend, before the answer
        for settings in (processors[place][1] for place in samplers):
            if isinstance(settings, TailSampling):
                sampled = SampledPipeline(name, settings, exporters, batch, self._clock, safe=durable)
                sampled.behind = [self._connectors[c].connector for c in self._ends(pipeline)]
                self._sampled[identifier] = sampled
        if not samplers:
            self._plain[identifier] = PassthroughPipeline(name, identifier.signal, exporters, batch, self._clock)

    def _limit(self, identifier: ComponentId, settings: MemoryLimiter) -> MemoryLimit:
        name = f"processors::{identifier}"
        limit = MemoryLimit(settings, self._clock, share=self._context.workers)
        if self._before is None:  # what is in use later is the work's
            limit.check_idle(name)
        return limit

    def _ends(self, pipeline: Pipeline) -> list[str]:
        """Return the connectors that a pipeline ends with."""
        return [str(i) for i in pipeline.exporters if str(i) in self._connectors]

    def _of_receiver(self, receiver: str, signal: str) -> Iterator[PipelineId]:
        for identifier, pipeline in self._config.pipelines.items():
            if identifier.signal == signal and receiver in map(str, pipeline.receivers):
                yield identifier

    def _routes(self, receiver: str, *, derives: bool) -> dict[str, Route]:
        return {
            signal: self._route(identifiers, derives=derives and signal == "traces")
            for signal in SIGNALS
            if (identifiers := list(self._of_receiver(receiver, signal)))
        }

    def _route(self, identifiers: list[PipelineId], *, derives: bool) -> Route:
        sampled = [self._sampled[i] for i in identifiers if i in self._sampled]
        plain = [i for i in identifiers if i in self._plain]
        ends = {c: None for i in plain for c in self._ends(self._config.pipelines[i])}
        return Route(
            plain=[self._plain[i] for i in plain if self._plain[i].outlets.exporters],
            sampled=sampled,
            connected=[self._connectors[c] for c in ends],
            limits=[limit for i in identifiers for limit in self._limits[i]],
            derives=derives,
            sized=any(pipeline.sized for pipeline in sampled),
        )

    def _own_metrics_to(self) -> list[PassthroughPipeline]:
        """Return the metrics pipelines for metrics without a source: those of receivers, else all; to each exporter once."""
        candidates = [i for i in self._config.pipelines if i.signal == "metrics"]
        of_receivers = [i for i in candidates if set(self._config.pipelines[i].receivers) & self._receivers]
        chosen: list[PassthroughPipeline] = []
        reached: set[str] = set()
        for identifier in of_receivers or candidates:
            pipeline = self._plain[identifier]
            if pipeline.outlets.exporters.keys() - reached:
                reached |= pipeline.outlets.exporters.keys()
                chosen.append(pipeline)
        return chosen

    @property
    def _receivers(self) -> set[ComponentId]:
        return set(self._config.receivers)

    def _let_kept_spans_be_exemplars(self, parts: Parts) -> None:
        """Offer what samplers keep to the metrics that were counted before sampling."""
        before = {c: None for routes in parts.routes.values() for route in routes.values() for c in route.connected}
        for sampled in parts.sampled:
            for connected in before:
                sampled.offered_to.append(connected.connector.offer)
            if parts.own_metrics_to or self._context.stored:
                sampled.offered_to.append(parts.derived.offer)
