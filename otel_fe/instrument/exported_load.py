"""The metrics of a process's own load where its pipeline runs elsewhere (`OTEL_FE_PIPELINE=collector`).

A pipeline in the process puts them beside the derived metrics; here they are observed by instruments of the application's meter
provider. Without them nothing is known of the size of a service whose spans a collector counts, and its capacity is a guess.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Observation

from otel_fe import faults, semconv
from otel_fe.forks import renew_after_fork
from otel_fe.instrument.background import Background
from otel_fe.instrument.process_load import ProcessLoad
from otel_fe.process_metrics import METRICS
from otel_fe.semconv import METRIC_BY_NAME
from otel_fe.units import NS_PER_S
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions
    from opentelemetry.sdk.metrics import MeterProvider

_INSTALLED: Final[weakref.WeakKeyDictionary[MeterProvider, ExportedLoad]] = weakref.WeakKeyDictionary()


class ExportedLoad:
    """The metrics on one meter provider. The SDK cannot take an instrument back: what is off observes nothing.

    Args:
        provider: The SDK's.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self._load: ProcessLoad | None = None
        self._background: Background | None = None
        self._ended: Callable[[], int] = int
        meter: Any = provider.get_meter(semconv.SCOPE_NAME, __version__)
        create = {"counter": meter.create_observable_counter, "gauge": meter.create_observable_gauge}
        for one in METRICS:
            if one.name in ProcessLoad.METRICS:
                create[one.instrument](one.name, [self._observing(one.name)], unit=one.unit, description=one.meaning)
        renew_after_fork(self._after_fork)

    @classmethod
    def begin(cls, provider: MeterProvider, ended: Callable[[], int]) -> ExportedLoad:
        """Return the metrics of a provider, switched on.

        Args:
            provider: The SDK's.
            ended: Returns how many extractions have ended: a process without any, such as a server's parent, reports
                nothing.
        """
        found = _INSTALLED.get(provider)
        if found is None:
            found = _INSTALLED[provider] = cls(provider)
        found._start(ended)
        return found

    def _start(self, ended: Callable[[], int]) -> None:
        self._ended = ended
        self._load = ProcessLoad()
        self._background = Background([("load", self._load.sample)])
        self._background.start()

    def end(self) -> None:
        """Switch off."""
        if self._background is not None:
            self._background.stop()
        self._load = self._background = None

    def _after_fork(self) -> None:
        if self._load is not None:
            self._load.forget()

    def _observing(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            try:
                if self._load is None or not self._ended():
                    return []
                parts = NS_PER_S if METRIC_BY_NAME[name].instrument == "counter" else 1
                return [Observation(value / parts, dict(labels)) for labels, value in self._load.readings(name)]
            except Exception as fault:
                faults.record("load.observe", fault)
                return []

        return observe
