"""RayServeIntegration: Ray Serve's figures and the extractions' in one view; and the line that instruments a cluster.

In the application: `ray.init(runtime_env={"worker_process_setup_hook": "otel_fe.ray_integration.setup_worker"})`. Without a
change to it: `RAY_RUNTIME_ENV_HOOK=otel_fe.ray_integration.runtime_env_hook opentelemetry-instrument python app.py`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from otel_fe.clock import SystemClock
from otel_fe.instrument.background import Background
from otel_fe.live.application_metrics import SUMS, entries, figures_of, is_many, numbers_of
from otel_fe.ray.published import Published
from otel_fe.ray.ray_import import ray_module
from otel_fe.ray.request import request_here
from otel_fe.ray.results import UnifiedPerformanceStats
from otel_fe.ray.scrape import Scraped, scrape
from otel_fe.ray.totals import GrowthTotals
from otel_fe.ray.view import View
from otel_fe.ray.worker import connected, setup_worker
from otel_fe.ray.worker import with_worker_setup as runtime_env_hook

if TYPE_CHECKING:
    from types import TracebackType

    from otel_fe.clock import Clock
    from otel_fe.monitoring import RequirementStatus

__all__ = ["RayServeIntegration", "runtime_env_hook", "setup_worker"]

_WINDOW_S: Final = 300.0
_INTERVAL_S: Final = 10.0
"""Ray's own processes report as often."""


class RayServeIntegration:
    """One view of a cluster, from any process that is connected to it. Safe to share between threads.

    Instrumented workers publish their extractions themselves.

    Args:
        window_s: How far back figures reach. Readings make the window move: call `start`, or read it regularly.
        interval_s: How often the background task reads.
        clock: For the window.

    Raises:
        ValueError: A time is not above 0.
    """

    def __init__(
        self, window_s: float = _WINDOW_S, interval_s: float = _INTERVAL_S, clock: Clock | None = None
    ) -> None:
        if not (window_s > 0 and interval_s > 0):
            raise ValueError(f"window_s is {window_s!r} and interval_s {interval_s!r}; use numbers above 0")
        self._clock = SystemClock() if clock is None else clock
        self._interval_ns = int(interval_s * 1e9)
        self._lock = threading.Lock()
        self._totals = GrowthTotals(self._clock, window_s)
        self._scraped = Scraped()
        self._read_ns = self._clock.monotonic_ns() - self._interval_ns
        self._published: Published | None = None
        self._synced: dict[str, float] = {}
        self._background: Background | None = None

    def sync_feature_extraction_metrics(self, metrics: object) -> None:
        """Publish metrics that the application holds, so that Ray's Prometheus endpoint shows them.

        Only of extractions that otel_fe does not see itself: those are published already.

        Args:
            metrics: An object or dictionary, or several. Of one extraction: `duration_ms`, and where known `used_cache`,
                `had_error`, `cpu_percent`, `memory_mb`, `feature_set`. Of many, with `total_extractions`: every number in
                it, such as `FeatureExtractionPerformanceMonitor.get_performance_stats()` returns.

        Raises:
            MissingExtraError: Ray is not installed.
            RuntimeError: This process is not connected to Ray.
            TypeError: The metrics have none of the known names.
            ValueError: The metrics have no duration, or a figure is negative or not finite; the message names it and its value.
        """
        connected()
        found = [entries(one) for one in metrics] if is_many(metrics) else [entries(metrics)]  # type: ignore[attr-defined]
        sums = [numbers_of(one) for one in found if SUMS in one]
        single = [figures_of(one) for one in found if SUMS not in one]
        request = request_here()
        with self._lock:
            if self._published is None:
                self._published = Published()
            for figures in single:
                where = ("", "") if request is None else (request.application, request.deployment)
                self._published.extraction(figures, *where)
            for many in sums:
                self._published.figures(many)
                self._synced = many

    def get_unified_performance_stats(self) -> UnifiedPerformanceStats:
        """Return Serve's figures and the extractions' as they are now; Ray's processes report every 10 s by default.

        Raises:
            MissingExtraError: Ray, or Ray Serve, is not installed.
            RuntimeError: This process is not connected to Ray.
        """
        self._read()
        with self._lock:
            view = View(self._totals.within(), self._scraped)
            unreachable, synced = self._scraped.unreachable, dict(self._synced)
        applications = _applications()
        return UnifiedPerformanceStats(
            serve_running=applications is not None,
            extractions=view.extractions(),
            deployments=view.deployments(applications or {}),
            requirements=view.requirements(),
            synced=synced,
            unreachable_nodes=unreachable,
        )

    def validate_performance_requirements(self) -> dict[str, RequirementStatus]:
        """Return the four requirements by name, on exact counts of the extractions within the window; raises as above."""
        return self.get_unified_performance_stats().requirements

    # --- in the background ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Read the cluster every `interval_s` in the background, until `stop`; raises as above."""
        connected()
        with self._lock:
            if self._background is None:
                self._background = Background((("ray.read", self._read_when_due),))
                self._background.start()

    def stop(self) -> None:
        """Stop the background task; a second call has no effect."""
        with self._lock:
            background, self._background = self._background, None
        if background is not None:
            background.stop()

    def __enter__(self) -> RayServeIntegration:  # noqa: PYI034 - Self is of 3.11
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_when_due(self) -> None:
        if self._clock.monotonic_ns() - self._read_ns >= self._interval_ns and ray_module().is_initialized():
            self._read()

    def _read(self) -> None:
        scraped = scrape(connected().nodes())
        with self._lock:
            self._scraped = scraped
            self._totals.update(scraped.samples)
            self._read_ns = self._clock.monotonic_ns()


def _applications() -> dict[str, Any] | None:
    """Return Serve's status of its applications; None where it does not run, or its controller does not answer."""
    serve = ray_module("ray.serve")
    try:
        status = serve.status()
    except Exception:  # noqa: BLE001 between a controller and the next one, Ray raises whatever it likes
        return None
    return dict(status.applications) if status.applications or status.proxies else None
