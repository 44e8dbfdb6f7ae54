"""Forecasts a service's next week: traffic, latency, error budgets, and when headroom and budgets are used up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.anomalies.adaptive_forecast import HOUR_S, forecast
from otel_fe.anomalies.kinds import CACHE_HIT_RATE, LATENCY_P95, THROUGHPUT
from otel_fe.capacity.stored_measurements import counted_seconds, events_by_step
from otel_fe.errors import MissingExtraError
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.store.series_keys import Which
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.anomalies.adaptive_forecast import SeriesForecast
    from otel_fe.anomalies.kinds import SeriesKind
    from otel_fe.model.slo import EventSelection, Slo
    from otel_fe.store.reader import StoreReader

HISTORY_HOURS: Final = 28 * 24
_HOUR_NS: Final = HOUR_S * NS_PER_S
_FEWEST: Final = 20
"""Extractions in an hour; a percentile of fewer is left out."""
_CALM: Final = 0.3
"""A budget of which a week spends less than this share of what it may is not looked at further."""
_WEEK: Final = 168
_RECENT: Final = 240
"""Hours from which the share of good events is forecast, as few as show errors of a week ahead: at today's pace.
With the weeks before a change, the forecast would return to their level."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is expected to happen."""

    expected_unix_s: float | None
    """None: not in the time that is looked ahead."""
    earliest_unix_s: float | None
    """By the worse bound of the 80 % interval."""


@dataclass(frozen=True, slots=True)
class BudgetEnd:
    """When an error budget is used up."""

    slo: str
    feature_set: str
    end: Moment
    used_up: bool = False
    """It is already; then `end` is the last whole hour's end."""
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
    """When traffic reaches it."""
    budgets: tuple[BudgetEnd, ...]
    """Those that are used up or end in this time, maybe, and those that are spent fast but have no forecast."""
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
    until = until_ns // _HOUR_NS * _HOUR_NS
    window = (until - HISTORY_HOURS * _HOUR_NS, until)
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
    for at, spread in reader.series.histogram_by_step(Which(semconv.DURATION, service), *window, _HOUR_NS):
        seconds = counted_seconds(counted, at, at + _HOUR_NS)
        if seconds > HOUR_S / 2:
            found.append((at / NS_PER_S, spread.count / seconds))
    return found


def _percentiles(reader: StoreReader, service: str, window: tuple[int, int]) -> list[tuple[float, float]]:
    steps = reader.series.histogram_by_step(Which(semconv.DURATION, service), *window, _HOUR_NS)
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
            hours = _Hours.of(reader, service, name, slo, window[1])
            end = None if hours is None else _budget(hours, slo.name, name, traffic)
            if end is not None:
                found.append(end)
    return found


def _budget(hours: _Hours, slo: str, feature_set: str, traffic: SeriesForecast) -> BudgetEnd | None:
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


@dataclass(frozen=True, slots=True)
class _Hours:
    """The events of an SLO, hour by hour."""

    bad: dict[int, float]
    """By hour since 1970."""
    total: dict[int, float]
    last: int
    """The last whole hour."""
    slo: Slo

    @classmethod
    def of(cls, reader: StoreReader, service: str, feature_set: str, slo: Slo, until_ns: int) -> _Hours | None:
        """Return those of its window, and of the time that forecasts are made from; None where there are none."""
        if not slo.budget:
            return None
        window = (min(slo.window.begin_ns(until_ns), until_ns - HISTORY_HOURS * _HOUR_NS), until_ns)
        total = _events(reader, service, feature_set, slo.indicator.total, window)
        part = _events(reader, service, feature_set, slo.indicator.part, window)
        bad = {
            hour: max(0.0, count - part.get(hour, 0.0)) if slo.indicator.part_is_good else part.get(hour, 0.0)
            for hour, count in total.items()
        }
        return cls(bad, total, until_ns // _HOUR_NS - 1, slo) if total else None

    def calm(self) -> bool:
        """Return whether the last week has spent so little that no end is near."""
        recent = range(self.last - _WEEK + 1, self.last + 1)
        total = sum(self.total.get(hour, 0.0) for hour in recent)
        return sum(self.bad.get(hour, 0.0) for hour in recent) <= _CALM * float(self.slo.budget) * total

    def used_up(self) -> bool:
        """Return whether more than the budget is bad already."""
        return self._spent(self.bad, self.total, self.last)

    def end(self, traffic: SeriesForecast) -> Moment:
        """Return when more than the budget is bad, by forecasts of traffic and the share of good events.

        Raises:
            ForecastError: The share of good events cannot be forecast.
        """
        recent = ((hour, count) for hour, count in sorted(self.total.items()) if count and hour > self.last - _RECENT)
        good = forecast([(float(hour * HOUR_S), 1 - self.bad[hour] / count) for hour, count in recent], CACHE_HIT_RATE)
        scale = self._scale(traffic)
        expected = earliest = None
        ahead = {round(one.unix_s / HOUR_S): one for one in traffic.hours}
        for worse in (False, True):
            bad, total = dict(self.bad), dict(self.total)
            for one in good.hours:
                hour = round(one.unix_s / HOUR_S)
                if hour not in ahead:
                    break
                total[hour] = ahead[hour].value * scale
                bad[hour] = total[hour] * (1 - (one.low if worse else one.value))
                if self._spent(bad, total, hour):
                    expected, earliest = (expected, one.unix_s) if worse else (one.unix_s, earliest)
                    break
        return Moment(expected, earliest)

    def _spent(self, bad: dict[int, float], total: dict[int, float], hour: int) -> bool:
        begin = self.slo.window.begin_ns((hour + 1) * _HOUR_NS) // _HOUR_NS
        within = range(begin, hour + 1)
        most = float(self.slo.budget) * sum(total.get(at, 0.0) for at in within)
        return sum(bad.get(at, 0.0) for at in within) > most

    def _scale(self, traffic: SeriesForecast) -> float:
        """Return the events of this group in an hour for an extraction a second of the whole service."""
        recent = [self.total.get(hour, 0.0) for hour in range(self.last - 23, self.last + 1)]
        rates = [one.value for one in traffic.hours[:24]]
        mean = sum(rates) / len(rates)
        return sum(recent) / len(recent) / mean if mean else 0.0


def _events(
    reader: StoreReader, service: str, feature_set: str, selection: EventSelection, window: tuple[int, int]
) -> dict[int, float]:
    steps = events_by_step(reader, service, feature_set, selection, window, _HOUR_NS)
    return {at // _HOUR_NS: count for at, count in steps.items()}
