"""Forecasts a service's next week: traffic, latency, error budgets, and when headroom and budgets are used up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.anomalies.adaptive_forecast import forecast
from otel_fe.anomalies.kinds import LATENCY_P95, THROUGHPUT
from otel_fe.capacity.budget_hours import BudgetHours, Moment
from otel_fe.capacity.stored_measurements import counted_seconds, events_by_step
from otel_fe.errors import MissingExtraError
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.store.series_keys import Which
from otel_fe.units import HOUR_NS, HOUR_S, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.anomalies.adaptive_forecast import SeriesForecast
    from otel_fe.anomalies.kinds import SeriesKind
    from otel_fe.model.slo import EventSelection, Slo
    from otel_fe.store.reader import StoreReader

HISTORY_HOURS: Final = 28 * 24
_FEWEST: Final = 20
"""Extractions in an hour; a percentile of fewer is left out."""


@dataclass(frozen=True, slots=True)
class BudgetEnd:
    """The time at which an error budget is used up."""

    slo: str
    feature_set: str
    end: Moment
    used_up: bool = False
    """The budget is used up already; then `end` is the last whole hour's end."""
    refused: str = ""
    """The reason for having no forecast; empty if there is one."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The next days of a service."""

    traffic: SeriesForecast | None
    """Extractions a second."""
    latency: SeriesForecast | None
    """p95 in ms."""
    headroom: Moment
    """The time at which traffic reaches the headroom."""
    budgets: tuple[BudgetEnd, ...]
    """Budgets that are used up or may end in this time, and those that are spent fast but have no forecast."""
    silent: tuple[str, ...]
    """The series without a forecast, each with the reason."""


def outlook(
    reader: StoreReader, service: str, slos: Sequence[Slo], until_ns: int, headroom_per_s: float | None
) -> Outlook:
    """Return the outlook of a service.

    Args:
        reader: Of the store.
        service: Its name.
        slos: Their budgets.
        until_ns: Unix time; the last whole hour before it is the last that is used.
        headroom_per_s: The highest good rate; None where it is not known.
    """
    until = until_ns // HOUR_NS * HOUR_NS
    window = (until - HISTORY_HOURS * HOUR_NS, until)
    silent: list[str] = []

    def ask(name: str, kind: SeriesKind, points: Callable[[], list[tuple[float, float]]]) -> SeriesForecast | None:
        try:
            return forecast(points(), kind)
        except (ForecastError, MissingExtraError) as error:
            silent.append(f"{name}: {error}")
            return None

    traffic = ask("traffic", THROUGHPUT, lambda: _rates(reader, service, window))
    latency = ask("latency", LATENCY_P95, lambda: _percentiles(reader, service, window)) if traffic else None
    above = (None, None) if traffic is None or not headroom_per_s else traffic.first_above(headroom_per_s)
    ends = _budgets(reader, service, slos, window, traffic) if traffic is not None else []
    return Outlook(traffic, latency, Moment(*above), tuple(ends), tuple(silent))


def _rates(reader: StoreReader, service: str, window: tuple[int, int]) -> list[tuple[float, float]]:
    counted = reader.sums.counted(*window, service)
    found = []
    for at, spread in reader.series.histogram_by_step(Which(semconv.DURATION, service), *window, HOUR_NS):
        seconds = counted_seconds(counted, at, at + HOUR_NS)
        if seconds > HOUR_S / 2:
            found.append((at / NS_PER_S, spread.count / seconds))
    return found


def _percentiles(reader: StoreReader, service: str, window: tuple[int, int]) -> list[tuple[float, float]]:
    steps = reader.series.histogram_by_step(Which(semconv.DURATION, service), *window, HOUR_NS)
    return [
        (at / NS_PER_S, value * 1e3)
        for at, spread in steps
        if spread.count >= _FEWEST and (value := spread.quantile(0.95)) is not None
    ]


def _budgets(
    reader: StoreReader, service: str, slos: Sequence[Slo], window: tuple[int, int], traffic: SeriesForecast
) -> list[BudgetEnd]:
    keys = reader.series.keys(semconv.DURATION)
    sets = sorted({str(key.labels.get(semconv.FEATURE_SET, "")) for key in keys if key.service == service})
    found = []
    for slo in slos:
        for name in sets:
            hours = _hours(reader, service, name, slo, window[1])
            end = None if hours is None else _budget(hours, slo.name, name, traffic)
            if end is not None:
                found.append(end)
    return found


def _budget(hours: BudgetHours, slo: str, feature_set: str, traffic: SeriesForecast) -> BudgetEnd | None:
    """Return the end of a budget; None where none is near."""
    if hours.used_up():
        now = float((hours.last + 1) * HOUR_S)
        return BudgetEnd(slo, feature_set, Moment(now, now), used_up=True)
    if hours.calm():
        return None
    try:
        end = hours.end(traffic)
    except ForecastError as error:
        return BudgetEnd(slo, feature_set, Moment(None, None), refused=str(error))
    near = end.expected_unix_s is not None or end.earliest_unix_s is not None
    return BudgetEnd(slo, feature_set, end) if near else None


def _hours(reader: StoreReader, service: str, feature_set: str, slo: Slo, until_ns: int) -> BudgetHours | None:
    """Return the events of an SLO's window, and of the time that forecasts are made from; None where there are none."""
    if not slo.budget:
        return None
    window = (min(slo.window.begin_ns(until_ns), until_ns - HISTORY_HOURS * HOUR_NS), until_ns)
    total = _events(reader, service, feature_set, slo.indicator.total, window)
    part = _events(reader, service, feature_set, slo.indicator.part, window)
    bad = {
        hour: max(0.0, count - part.get(hour, 0.0)) if slo.indicator.part_is_good else part.get(hour, 0.0)
        for hour, count in total.items()
    }
    return BudgetHours(bad, total, until_ns // HOUR_NS - 1, slo) if total else None


def _events(
    reader: StoreReader, service: str, feature_set: str, selection: EventSelection, window: tuple[int, int]
) -> dict[int, float]:
    steps = events_by_step(reader, service, feature_set, selection, window, HOUR_NS)
    return {at // HOUR_NS: count for at, count in steps.items()}
