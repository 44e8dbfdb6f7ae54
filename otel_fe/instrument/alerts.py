"""The alerts of this process: evaluated in its background, emitted as log events and as a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.engines import CLOCK
from otel_fe.instrument.resources import gpu

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import Metric

    from otel_fe.alerting import Attached

_BEGIN_S: Final = 50
"""Caches are cold, models load and connections open in the first minute of a process: that is no reason to page, so the
first evaluation comes after it. Processes that end before this never import what alerts need."""


class ProcessAlerts:
    """Alerts on what the pipeline of this process counts.

    Args:
        watched: An object with an `engine`, which may change, as in a forked child.
        service: Returns `service.name` of this process; empty where there is none.
        page_url: Where the dashboard is; empty where that is not known.
        runbook_url: Of the runbook; empty for the dashboard's.
    """

    def __init__(
        self, watched: Any, service: Callable[[], str] = str, page_url: str = "", runbook_url: str = ""
    ) -> None:
        self._service, self._page_url, self._runbook_url = service, page_url, runbook_url
        self._watched = watched
        self._attached: Attached | None = None
        self._begin_ns = CLOCK.monotonic_ns() + _BEGIN_S * 1_000_000_000

    def tick(self) -> None:
        """Evaluate, if it is time; called once a second in the background."""
        if self._attached is not None:
            self._attached.tick()
        elif CLOCK.monotonic_ns() >= self._begin_ns:
            from otel_fe.alerting import Origin, attach  # noqa: PLC0415 here, so that no application waits for it

            origin = Origin(self._service(), self._page_url, self._runbook_url)
            self._attached = attach(self._watched, gpu=gpu, origin=origin, on_fault=_record)

    def metrics(self) -> list[Metric]:
        """Return how many alerts fire, in the SDK's form."""
        if self._attached is None:
            return []
        from otel_fe.alerting.gauges import sdk_metrics  # noqa: PLC0415 imported already

        return sdk_metrics(self._attached.system.gauges(), CLOCK.time_ns())

    def close(self) -> None:
        """Deliver the remaining alerts, and stop."""
        attached, self._attached = self._attached, None
        if attached is not None:
            attached.close()


def _record(name: str, fault: BaseException | None) -> None:
    faults.record(
        "alerts", fault if isinstance(fault, Exception) else RuntimeError(f"{name}: too slow, or its queue is full")
    )
