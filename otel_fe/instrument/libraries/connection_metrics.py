"""`db.client.connection.*`, to OpenTelemetry's semantic conventions, for SQLAlchemy's and redis-py's pools.

States are read when a reader collects. Histograms are added up by ourselves (an SDK histogram's `record` costs ten times as much)
and put beside what the reader's storage returns: the SDK for Python has no `MetricProducer` yet.

No duplicates: `opentelemetry-instrumentation-sqlalchemy` 0.66b1 emits the older `db.client.connections.usage` and none of
these; `-redis` emits none. redis-py emits some of them itself once its own observability is switched on: ours of its pools then
stay away.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics._internal.instrument import _Counter, _Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality

from otel_fe import faults, semconv
from otel_fe.clock import SystemClock
from otel_fe.forks import after_fork
from otel_fe.instrument.libraries.connection_points import PoolSnapshot, metrics_of
from otel_fe.instrument.libraries.pool_state import REDIS, PoolState, state_of
from otel_fe.instrument.libraries.pool_use import POOLS
from otel_fe.sdk.collected import with_ours
from otel_fe.sdk.metric_views import ReaderViews
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricsData

_CLOCK: Final = SystemClock()
_STATES: Final[dict[str, Callable[[PoolState], dict[str, int | None]]]] = {
    semconv.CONNECTION_COUNT: lambda pool: {semconv.IDLE: pool.idle, semconv.USED: pool.in_use},
    semconv.CONNECTION_IDLE_MAX: lambda pool: {"": pool.keeps},
    semconv.CONNECTION_IDLE_MIN: lambda pool: {"": None if pool.keeps is None else 0},
    semconv.CONNECTION_MAX: lambda pool: {"": pool.limit},
    semconv.CONNECTION_PENDING: lambda pool: {"": pool.waiting},
}
"""The figures read off a pool, by state where it has one. Neither library keeps a least number of connections open."""
_BY_REDIS: Final = (
    semconv.CONNECTION_COUNT,
    semconv.CONNECTION_CREATE_TIME,
    semconv.CONNECTION_TIMEOUTS,
    semconv.CONNECTION_WAIT_TIME,
)
"""Since redis-py 7."""
_INSTALLED: Final[weakref.WeakKeyDictionary[MeterProvider, ConnectionMetrics]] = weakref.WeakKeyDictionary()


class ConnectionMetrics:
    """The metrics on one meter provider. The SDK cannot take an instrument back: what is off observes nothing.

    Args:
        provider: The SDK's.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self._asked = 0
        self._consumer: Any = provider._measurement_consumer
        self._config = provider._sdk_config
        self._previous: dict[int, PoolSnapshot] = {}
        self._views: dict[int, ReaderViews] = {}
        self._warned: set[str] = set()
        self._started_ns = _CLOCK.time_ns()
        meter = provider.get_meter(semconv.SCOPE_NAME, __version__)
        for name in _STATES:
            meta = semconv.METRIC_BY_NAME[name]
            meter.create_observable_up_down_counter(
                name, [self._observing(name)], unit=meta.unit, description=meta.meaning
            )

    @classmethod
    def begin(cls, provider: MeterProvider) -> ConnectionMetrics:
        """Return the metrics of a provider, switched on."""
        found = _INSTALLED.get(provider)
        if found is None:
            found = _INSTALLED[provider] = cls(provider)
        found._asked += 1  # noqa: SLF001 ours
        return found

    def end(self) -> None:
        """Switch off, unless it is still in use elsewhere."""
        self._asked -= 1
        if not self._asked:
            for storage in self._consumer._reader_storages.values():
                vars(storage).pop("collect", None)
            self._previous.clear()
            self._views.clear()

    def forget(self) -> None:
        """Start over in a forked child, whose counts begin at zero."""
        self._previous.clear()
        self._started_ns = _CLOCK.time_ns()

    def _observing(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            try:
                if not self._asked:
                    return ()
                self._extend()
                return _observations(name)
            except Exception as fault:
                faults.record("connections.observe", fault)
                return ()

        return observe

    def _extend(self) -> None:
        """Put the histograms beside what the storages collect; called while they do, so that new readers are seen."""
        for reader, storage in self._consumer._reader_storages.items():
            own = vars(storage)
            if "collect" not in own:
                own["collect"] = self._collecting(reader, type(storage).collect.__get__(storage))

    def _collecting(self, reader: Any, original: Callable[[], MetricsData | None]) -> Callable[[], MetricsData | None]:
        def collect() -> MetricsData | None:
            collected = original()
            try:
                return self._added(reader, collected)
            except Exception as fault:
                faults.record("connections.collect", fault)
                return collected

        return collect

    def _added(self, reader: Any, collected: MetricsData | None) -> MetricsData | None:
        temporality = reader._instrument_class_temporality
        now = PoolSnapshot.take(POOLS.uses(), _CLOCK.time_ns(), told_by_redis())
        metrics = metrics_of(
            now,
            self._previous.get(id(reader)),
            self._started_ns,
            delta_histograms=temporality[_Histogram] is AggregationTemporality.DELTA,
            delta_counters=temporality[_Counter] is AggregationTemporality.DELTA,
        )
        self._previous[id(reader)] = now
        return with_ours(collected, self._views_of(reader).apply(metrics), self._config.resource)

    def _views_of(self, reader: Any) -> ReaderViews:
        found = self._views.get(id(reader))
        if found is None:
            # Waits are aggregated while the pool hands out connections: only their names and attributes can still be changed.
            found = self._views[id(reader)] = ReaderViews(self._config, reader, self._warned, recordable=())
        return found


def _after_fork() -> None:
    for metrics in list(_INSTALLED.values()):
        metrics.forget()


after_fork(_after_fork)


def _observations(name: str) -> list[Observation]:
    """Return one observation for each pool's name and state; pools with one name are added up."""
    sums: dict[tuple[str, str], int] = {}
    left_out = told_by_redis()
    for pool in POOLS.watched():
        try:
            state = state_of(pool)
        except Exception as fault:
            faults.record("connections.state", fault)
            continue
        if (name, state.library) in left_out:
            continue
        for kind, value in _STATES[name](state).items():
            if value is not None:
                sums[state.name, kind] = sums.get((state.name, kind), 0) + value
    return [
        Observation(value, {semconv.POOL: pool, **({semconv.STATE: kind} if kind else {})})
        for (pool, kind), value in sums.items()
    ]


def told_by_redis() -> set[tuple[str, str]]:
    """Return the metrics that redis-py emits of its own pools, where its own observability is switched on."""
    module: Any = sys.modules.get("redis.observability")
    if module is None or not module.get_observability_instance().is_enabled():
        return set()
    return {(name, REDIS) for name in _BY_REDIS}
