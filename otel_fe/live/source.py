"""A live view with its sources: the engine that fills it, the machine's resources, exemplars of kept traces."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol

from otel_fe.live.feed import leave, watch
from otel_fe.live.resources import ResourceSampler
from otel_fe.live.view import LiveView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_fe.clock import Clock
    from otel_fe.live.resources import GpuReading
    from otel_fe.live.results import SystemResources
    from otel_fe.model.histogram import Exemplar
    from otel_fe.pipeline.derive import DerivedMetrics
    from otel_fe.pipeline.extraction_series import Dimensions


class CountingEngine(Protocol):
    """An engine, as far as the view needs it."""

    metrics: DerivedMetrics

    def settle(self) -> None:
        """Count what is waiting to be counted."""
        ...


class LiveSource:
    """Follows the engine of this process, also into a forked child, whose engine is another. Safe to share between threads.

    Args:
        clock: Both clocks.
        engine: Returns the engine at the moment; None where there is none. Called at each `refresh`.
        gpu: Returns the last sample of the GPUs, None without one; it must not wait.
        limits_ns: Durations for which it is to be exact how many extractions reached them; 100 ms always is.
    """

    def __init__(
        self,
        clock: Clock,
        engine: Callable[[], CountingEngine | None] = lambda: None,
        gpu: Callable[[], GpuReading | None] = lambda: None,
        limits_ns: Sequence[int] = (),
    ) -> None:
        self.clock = clock
        self.view = LiveView(clock, limits_ns)
        self._engine = engine
        self._resources = ResourceSampler(clock, gpu)
        self._watched: DerivedMetrics | None = None
        self._leave: weakref.finalize[..., LiveSource] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Follow the engine, and have it count what waits."""
        engine = self._engine()
        metrics = None if engine is None else engine.metrics
        if metrics is not self._watched:
            self._unwatch()
            self._watched = metrics
            if metrics is not None:
                watch(metrics, self.view.record)
                # The engine holds the view and not this object, so that one that is never closed can be collected.
                self._leave = weakref.finalize(self, leave, metrics, self.view.record)
        if engine is not None:
            engine.settle()

    def resources(self) -> SystemResources:
        """Return the machine's resources and this process's, at most a second old."""
        return self._resources.latest()

    def exemplars(self) -> Iterable[tuple[Dimensions, Exemplar]]:
        """Return extractions whose traces are kept, with their dimensions; none without an engine."""
        metrics = self._watched
        found: list[tuple[Dimensions, Exemplar]] = []
        for series in [] if metrics is None else metrics.all_series():
            if series.dimensions is not None:
                with series.lock:
                    kept = [one for one in series.duration.exemplars if one is not None]
                found += [(series.dimensions, one) for one in kept]
        return found

    def close(self) -> None:
        """Follow the engine no more; what was seen stays."""
        self._engine = lambda: None
        self._unwatch()

    def _unwatch(self) -> None:
        if self._leave is not None:
            self._leave()
        self._leave = self._watched = None
