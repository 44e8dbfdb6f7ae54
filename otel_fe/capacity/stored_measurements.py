"""Reads a service's measurements for the capacity model from the store."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from otel_fe import process_metrics, semconv
from otel_fe.capacity.measured import MeasuredService, PoolActivity, PoolSize, ServiceWindow, Setup
from otel_fe.capacity.other_objectives import ObjectiveEvents
from otel_fe.capacity.pool_traffic import pools_of
from otel_fe.store.counted_time import seconds_of
from otel_fe.store.selection import Selection
from otel_fe.store.series_keys import Which
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.capacity.pool_traffic import PoolTraffic
    from otel_fe.model.slo import EventSelection as Selected
    from otel_fe.model.slo import Indicator
    from otel_fe.store.counted_time import Interval
    from otel_fe.store.distribution import Distribution
    from otel_fe.store.reader import StoreReader
    from otel_fe.store.series import Gauge

_WINDOWS: Final = 120
_WIDTHS_S: Final = (60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
_ROWS: Final = 3_000
_MOST_COUNTED: Final = 0.5
"""A window of which less was counted is left out."""
_INSTANCE: Final = "service.instance.id"
_INSTANCES: Final = 200
_TASKS: Final = 3
"""Extractions at once on one thread: a nested pair is one task, three are those of an event loop."""
_WAITED: Final = 0.02


def services_of(reader: StoreReader) -> list[str]:
    """Return the services whose extractions were counted, in order."""
    return sorted({key.service for key in reader.series.keys(semconv.DURATION)})


def read_measured(reader: StoreReader, service: str, window: tuple[int, int]) -> MeasuredService:
    """Return what is known of a service in a window of Unix time (ns).

    Raises:
        StoreError: The store cannot be read.
    """
    window = _counted(reader, service, window)
    step = step_of(window)
    pools = [one for one in pools_of(reader.series, window, service) if one.size is not None]
    windows = _windows(reader, service, window, step, pools)
    sample = reader.observed(Selection(*window, service), limit=_ROWS, spread=True)
    rows = tuple(one for one in sample.group if one.weight > 0)
    return MeasuredService(service, windows, rows, _setup(reader, service, window, windows, pools))


def _counted(reader: StoreReader, service: str, window: tuple[int, int]) -> tuple[int, int]:
    """Return the part of a time in which a service was counted: windows of an hour have minutes, also within a day."""
    counted = reader.sums.counted(*window, service)
    return (max(window[0], counted[0][0]), min(window[1], counted[-1][1] + 1)) if counted else window


def read_events(
    reader: StoreReader, service: str, indicator: Indicator, window: tuple[int, int], windows: Sequence[ServiceWindow]
) -> list[ObjectiveEvents]:
    """Return the events of an objective in the windows of a service, of all its feature sets.

    Raises:
        StoreError: The store cannot be read.
    """
    window = _counted(reader, service, window)
    total, part = (
        events_by_step(reader, service, None, one, window, step_of(window)) for one in (indicator.total, indicator.part)
    )
    found = []
    for one in windows:
        count, counted = total.get(one.since_ns, 0.0), part.get(one.since_ns, 0.0)
        good = counted if indicator.part_is_good else count - counted
        found.append(ObjectiveEvents(one.rate, min(max(0.0, good), count), count))
    return found


def events_by_step(  # noqa: PLR0917 as they select
    reader: StoreReader,
    service: str,
    feature_set: str | None,
    selection: Selected,
    window: tuple[int, int],
    step_ns: int,
) -> dict[int, float]:
    """Return how many events an objective's selection counts, by the begin of each step (Unix ns).

    Args:
        reader: Of the store.
        service: Whose events.
        feature_set: None for all of them.
        selection: Of the objective's indicator.
        window: Unix time (ns).
        step_ns: The width of a step.

    Raises:
        StoreError: The store cannot be read.
    """
    labels = dict(selection.attributes)
    if feature_set is not None:
        labels[semconv.FEATURE_SET] = feature_set
    if labels.pop(semconv.SERVICE_NAME, service) != service:
        return {}
    which = Which(selection.metric, service, labels)
    if selection.most is None and semconv.METRIC_BY_NAME[selection.metric].instrument == "counter":
        return {at: float(value) for at, value in reader.series.count_by_step(which, *window, step_ns)}
    spreads = reader.series.histogram_by_step(which, *window, step_ns)
    return {
        at: float(one.count if selection.most is None else one.at_most(float(selection.most))) for at, one in spreads
    }


def step_of(window: tuple[int, int]) -> int:
    """Return the width of a step (ns): whole minutes, about 120 in a window."""
    wanted = (window[1] - window[0]) / _WINDOWS / NS_PER_S
    return next((one for one in _WIDTHS_S if one >= wanted), _WIDTHS_S[-1]) * NS_PER_S


def counted_seconds(counted: Sequence[Interval], since_ns: int, until_ns: int) -> float:
    """Return how many seconds of a time were counted; all of one that only has points further apart than intervals are joined."""
    return seconds_of(counted, since_ns, until_ns) or (until_ns - since_ns) / NS_PER_S


def _windows(
    reader: StoreReader, service: str, window: tuple[int, int], step: int, pools: Sequence[PoolTraffic]
) -> tuple[ServiceWindow, ...]:
    series = reader.series
    names = {
        str(key.labels.get(semconv.FEATURE_SET, "")) for key in series.keys(semconv.DURATION) if key.service == service
    }
    durations: dict[int, dict[str, Distribution]] = {}
    for name in sorted(names):
        which = Which(semconv.DURATION, service, {semconv.FEATURE_SET: name})
        for at, spread in series.histogram_by_step(which, *window, step):
            if spread.count:
                durations.setdefault(at, {})[name] = spread
    cpu = dict(series.histogram_by_step(Which(semconv.CPU_TIME_METRIC, service), *window, step))
    process_cpu = dict(series.count_by_step(Which(process_metrics.PROCESS_CPU_TIME, service), *window, step))
    process = dict(series.count_by_step(Which(process_metrics.PROCESS_TIME, service), *window, step))
    peaks = _most(series.gauge_by_step(Which(process_metrics.CONCURRENCY, service), *window, step))
    busy = {
        one.time_ns: one.last
        for one in series.gauge_by_step(Which(process_metrics.MACHINE_BUSY, service), *window, step)
    }
    machines = len([key for key in series.keys(process_metrics.MACHINE_BUSY) if key.service == service])
    memory = _most(series.gauge_by_step(Which(process_metrics.PROCESS_MEMORY, service), *window, step))
    uses = {one.name: _pool_steps(reader, service, one.name, window, step) for one in pools}
    width = _width(sorted(durations), step)
    counted = reader.sums.counted(window[0] // width * width, window[1], service)
    found = []
    for at, by_set in sorted(durations.items()):
        seconds = counted_seconds(counted, at, at + width)
        if seconds < _MOST_COUNTED * width / NS_PER_S:
            continue
        own = cpu.get(at)
        found.append(
            ServiceWindow(
                at,
                seconds,
                by_set,
                own.total if own is not None else 0.0,
                own.count if own is not None else 0,
                process_cpu.get(at),
                process[at] / seconds if at in process else None,
                {name: steps[at] for name, steps in uses.items() if at in steps},
                peaks.get(at),
                max(0.0, busy[at] * machines * seconds - process_cpu[at]) if at in busy and at in process_cpu else None,
                memory.get(at),
            )
        )
    return tuple(found)


def _width(starts: Sequence[int], step: int) -> int:
    """Return how wide steps are: those of long ago are as wide as the rows that are left of them."""
    return max(step, math.gcd(*(at - starts[0] for at in starts))) if len(starts) > 1 else step


def _most(gauges: Sequence[Gauge]) -> dict[int, float]:
    return {one.time_ns: one.most for one in gauges}


def _pool_steps(
    reader: StoreReader, service: str, name: str, window: tuple[int, int], step: int
) -> dict[int, PoolActivity]:
    labels = {semconv.POOL: name}
    waits, uses, creations = (
        dict(reader.series.histogram_by_step(Which(metric, service, labels), *window, step))
        for metric in (semconv.CONNECTION_WAIT_TIME, semconv.CONNECTION_USE_TIME, semconv.CONNECTION_CREATE_TIME)
    )
    return {
        at: PoolActivity(use.count, use.total, max(0.0, _total(waits, at) - _total(creations, at)))
        for at, use in uses.items()
    }


def _total(steps: Mapping[int, Distribution], at: int) -> float:
    found = steps.get(at)
    return found.total if found is not None else 0.0


def _setup(
    reader: StoreReader,
    service: str,
    window: tuple[int, int],
    windows: Sequence[ServiceWindow],
    pools: Sequence[PoolTraffic],
) -> Setup:
    series = reader.series
    length = window[1] - window[0]

    def gauges(metric: str) -> list[Gauge]:
        """Return the last of each of a metric's series."""
        keys = [key for key in series.keys(metric) if key.service == service]
        steps = [series.gauge_by_step(Which(metric, service, key.labels), *window, length) for key in keys]
        return [one[-1] for one in steps if one]

    missing = []
    processes = _processes(windows)
    if processes is None:
        processes = _instances(reader, service, window)
        missing.append(f"how many processes there are: {processes:g} by the kept traces")
    cores, limits = gauges(process_metrics.PROCESS_CORES), gauges(process_metrics.MEMORY_LIMIT)
    if not cores:
        missing.append("how many cores they may use")
    unsized = _unsized(reader, service, window, pools)
    if unsized:
        missing.append(unsized)
    threads = max((one.most for one in gauges(process_metrics.CONCURRENCY_THREADS)), default=0.0)
    peak = max((one.peak for one in windows if one.peak is not None), default=0.0)
    gil = gauges(process_metrics.PROCESS_GIL)
    machines = max(1, len(cores))
    return Setup(
        processes,
        cores[-1].last if cores else None,
        machines,
        {one.name: PoolSize(one.size, one.use_variability) for one in pools if one.size is not None},
        event_loop=threads <= 1 and peak >= _TASKS,
        has_gil=gil[-1].last > 0 if gil else True,
        memory_limit_bytes=limits[-1].last * machines / processes if limits else None,
        missing=tuple(missing),
    )


def _processes(windows: Sequence[ServiceWindow]) -> float | None:
    """Return how many processes there are, by the last tenth of the windows; None where it is not reported."""
    last = [one.processes for one in windows[-max(3, len(windows) // 10) :] if one.processes is not None]
    return float(max(1, round(sum(last) / len(last)))) if last else None


def _instances(reader: StoreReader, service: str, window: tuple[int, int]) -> float:
    counts = reader.attribute_counts(Selection(*window, service), limit=_INSTANCES)
    return float(max(1, len(counts.values.get(_INSTANCE, {}))))


def _unsized(reader: StoreReader, service: str, window: tuple[int, int], pools: Sequence[PoolTraffic]) -> str:
    """Return what is not known of pools that extractions wait for; empty where nothing is missing."""
    if pools:
        return ""
    waits: Any = reader.series.histogram(Which(semconv.POOL_WAIT_METRIC, service), *window)
    durations = reader.series.histogram(Which(semconv.DURATION, service), *window)
    if waits.total < _WAITED * durations.total:
        return ""
    return "how long connections are held (OTEL_FE_CONNECTION_METRICS=true measures it): no pool can give out here"
