"""The capacity of each service in a store, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.capacity.answer import GroupForecast, Interval, LatencyRequirement, answer, recent
from otel_fe.capacity.fitted import fitted
from otel_fe.capacity.model import ALL, rate_of
from otel_fe.capacity.other_objectives import LoadEffect, load_effect
from otel_fe.capacity.outlook import outlook
from otel_fe.capacity.stored_measurements import read_events, read_measured, services_of
from otel_fe.forecast.forecast_error import ForecastError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_fe.capacity.fitted import Fitted
    from otel_fe.capacity.measured import MeasuredService
    from otel_fe.capacity.outlook import Outlook
    from otel_fe.model.slo import Slo
    from otel_fe.store.reader import StoreReader

MOST_SETS: Final = 8
"""Feature sets with an answer of their own, those with most extractions."""


@dataclass(frozen=True, slots=True)
class ServiceCapacity:
    """The capacity of one service, as far as it is known."""

    service: str
    factor: float
    """The requested traffic over today's."""
    answers: tuple[GroupForecast, ...] = ()
    """Answers for all extractions first, then for each feature set; empty without an answer."""
    refused: str = ""
    """The reason for having no answer; empty if there is one."""
    missing: tuple[str, ...] = ()
    """Figures that its processes do not report, so that the model lacks them."""
    silent: tuple[str, ...] = ()
    """Feature sets without an answer, each with the reason."""
    effects: tuple[LoadEffect, ...] = ()
    """Effects of load on objectives without a latency limit, where there is something to report."""
    outlook: Outlook | None = None
    """The forecast of the next days; None if not requested."""

    @property
    def whole(self) -> GroupForecast | None:
        """The answer for all its extractions."""
        return self.answers[0] if self.answers else None

    @property
    def tightest(self) -> GroupForecast | None:
        """The answer with the least room: its headroom over its traffic is the smallest."""
        return min(self.answers, key=lambda one: one.headroom.value / one.now if one.now else 0.0, default=None)


def capacity_of(
    reader: StoreReader,
    slos: Sequence[Slo],
    window: tuple[int, int],
    factor: float,
    service: str | None = None,
    *,
    ahead: bool = False,
) -> list[ServiceCapacity]:
    """Return the capacity of one service, or of each.

    Args:
        reader: Of the store.
        slos: Those with a latency limit are the requirements.
        window: Unix time (ns) whose figures are used.
        factor: The requested traffic over today's.
        service: None for each service.
        ahead: Look ahead as well, which needs the extra `anomalies`.

    Raises:
        StoreError: The store cannot be read.
    """
    names = services_of(reader) if service is None else [service]
    found = [_capacity(reader, slos, window, factor, name) for name in names]
    return [_with_outlook(reader, slos, window[1], one) for one in found] if ahead else found


def _with_outlook(reader: StoreReader, slos: Sequence[Slo], until_ns: int, one: ServiceCapacity) -> ServiceCapacity:
    room = one.whole.headroom.value if one.whole is not None else None
    return replace(one, outlook=outlook(reader, one.service, slos, until_ns, room))


def _capacity(
    reader: StoreReader, slos: Sequence[Slo], window: tuple[int, int], factor: float, service: str
) -> ServiceCapacity:
    measured = read_measured(reader, service, window)
    effects = _effects(reader, slos, window, factor, measured)
    return replace(_by_latency(slos, factor, measured, effects), effects=effects)


def _effects(
    reader: StoreReader, slos: Sequence[Slo], window: tuple[int, int], factor: float, measured: MeasuredService
) -> tuple[LoadEffect, ...]:
    """Return what load does to objectives without a latency limit that are about all of a service's feature sets."""
    windows = [one for one in measured.windows if one.count]
    if not windows:
        return ()
    rate = factor * rate_of(recent(windows))
    found = []
    for slo in slos:
        limit = slo.indicator.limit
        if limit is not None and limit.metric == semconv.DURATION:
            continue
        if semconv.FEATURE_SET in dict(slo.indicator.total.attributes):
            continue
        events = read_events(reader, measured.service, slo.indicator, window, windows)
        found.append(load_effect(slo.name, float(slo.objective), events, rate))
    return tuple(one for one in found if one is not None)


def _by_latency(
    slos: Sequence[Slo], factor: float, measured: MeasuredService, effects: Sequence[LoadEffect]
) -> ServiceCapacity:
    service, missing = measured.service, measured.setup.missing
    wanted = requirements(slos, service, ALL)
    if not wanted:
        nothing = "No objective has a latency limit, so that there is nothing that more traffic could break."
        return ServiceCapacity(service, factor, refused=nothing, missing=missing)
    try:
        found = fitted(measured)
        first = _limited(answer(found, wanted, factor), effects)
    except ForecastError as error:
        return ServiceCapacity(service, factor, refused=str(error), missing=missing)
    answers, silent = [first], []
    for name in _sets(found):
        try:
            answers.append(_of_set(found, requirements(slos, service, name), factor, name))
        except ForecastError as error:
            silent.append(str(error))
    return ServiceCapacity(service, factor, tuple(answers), "", missing, tuple(silent))


def _limited(one: GroupForecast, effects: Sequence[LoadEffect]) -> GroupForecast:
    """Return an answer whose headroom ends where an objective without a latency limit breaks, if that is earlier."""
    breaking = [each for each in effects if each.broken_at is not None and each.broken_at < one.headroom.value]
    if not breaking:
        return one
    effect = min(breaking, key=lambda each: each.broken_at or 0.0)
    most = effect.broken_at or 0.0
    room = Interval(most, min(most, one.headroom.low), min(one.headroom.high, max(most, one.headroom.low)))
    return replace(one, headroom=room, broken_by=effect.name, first="")


def _of_set(found: Fitted, wanted: Sequence[LatencyRequirement], factor: float, name: str) -> GroupForecast:
    check = found.checks.get(name)
    if check is None or name not in found.model.mixes:
        raise ForecastError(f"{name}: too few of its extractions are kept")
    if not check.good:
        raise ForecastError(f"{name}: its p95 on held-back windows was {100 * check.median_error:.0f} % off")
    if not wanted:
        raise ForecastError(f"{name}: no objective with a latency limit covers it")
    return answer(found, wanted, factor, name)


def _sets(found: Fitted) -> Iterator[str]:
    """Yield the feature sets of a service with several, those with most extractions first."""
    counts: dict[str, int] = {}
    for window in found.measured.windows:
        for name, spread in window.durations.items():
            counts[name] = counts.get(name, 0) + spread.count
    if len(counts) > 1:
        yield from [name for name in sorted(counts, key=lambda one: -counts[one]) if name][:MOST_SETS]


def requirements(slos: Sequence[Slo], service: str, feature_set: str | None) -> list[LatencyRequirement]:
    """Return the latency objectives for a group: those that select its extractions, or all of them."""
    found = []
    for one in slos:
        limit = one.indicator.limit
        if limit is None or limit.metric != semconv.DURATION:
            continue
        about = dict(limit.attributes)
        if about.pop(semconv.SERVICE_NAME, service) != service:
            continue
        if about.pop(semconv.FEATURE_SET, feature_set) != feature_set or about:
            continue
        found.append(LatencyRequirement(one.name, float(limit.value), float(one.objective)))
    return found
