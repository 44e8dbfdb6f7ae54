"""Alerts of this process, evaluated in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.alerting.system import FeatureExtractionAlertingSystem
from otel_fe.clock import SystemClock
from otel_fe.live.source import LiveSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.live.resources import GpuReading

EVERY_S: Final = 10.0
"""Interval of the evaluation: that of the live view's finest slices."""


class Attached:
    """The alerts of one process: call `tick` once a second.

    Args:
        system: What is evaluated.
        source: What it looks at; closed with it, where it was made for it.
        clock: Its monotonic time is compared.
        every_s: How often it is evaluated.
    """

    def __init__(
        self, system: FeatureExtractionAlertingSystem, source: LiveSource | None, clock: Clock, every_s: float
    ) -> None:
        self.system = system
        self._source = source
        self._clock = clock
        self._every_ns = round(every_s * 1e9)
        self._next_ns = clock.monotonic_ns() + self._every_ns

    def tick(self) -> None:
        """Evaluate, if it is time. What takes longer than a period skips, and does not catch up."""
        now = self._clock.monotonic_ns()
        if now >= self._next_ns:
            self._next_ns = now + self._every_ns
            self.system.evaluate()

    def close(self) -> None:
        """Deliver the remaining alerts, and stop."""
        self.system.close()
        if self._source is not None:
            self._source.close()


def attach(
    watched: Any,
    *,
    gpu: Callable[[], GpuReading | None] = lambda: None,
    every_s: float = EVERY_S,
    clock: Clock | None = None,
    **system: Any,
) -> Attached:
    """Create the alerts of a process; its background thread calls `tick` once a second.

    Args:
        watched: An object with an `engine` (the pipeline of this process; it may change, as in a forked child), or an
            EnhancedMetricsCollector.
        gpu: Returns the last sample of the GPUs.
        every_s: How often to evaluate.
        clock: Both clocks.
        system: Further arguments of FeatureExtractionAlertingSystem.
    """
    if getattr(watched, "source", None) is not None:
        found = FeatureExtractionAlertingSystem(watched, **system)
        return Attached(found, None, watched.source.clock if clock is None else clock, every_s)
    chosen = SystemClock() if clock is None else clock
    source = LiveSource(chosen, lambda: watched.engine, gpu)
    return Attached(FeatureExtractionAlertingSystem(source, **system), source, chosen, every_s)
