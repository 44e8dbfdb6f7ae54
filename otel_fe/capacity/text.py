"""The capacity of services in words, and as values for JSON."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_fe.anomalies.adaptive_forecast import MODEL
from otel_fe.forecast.station import CORES, EVENT_LOOP, GIL, MEMORY, POOL, UNMEASURED, WORKERS
from otel_fe.formatting import milliseconds, percent, size
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.anomalies.adaptive_forecast import SeriesForecast
    from otel_fe.capacity.answer import GroupForecast, Interval, Kept, StationLoad
    from otel_fe.capacity.budget_hours import Moment
    from otel_fe.capacity.other_objectives import LoadEffect
    from otel_fe.capacity.outlook import BudgetEnd, Outlook
    from otel_fe.capacity.services import ServiceCapacity

_UNITS: Final = {
    POOL: "connections",
    CORES: "cores",
    GIL: "processes",
    EVENT_LOOP: "processes",
    WORKERS: "threads",
    MEMORY: "bytes",
    UNMEASURED: "",
}
_FAR: Final = 2.0
"""Times the highest rate seen; predictions beyond rest on theory alone."""


def in_words(services: Sequence[ServiceCapacity]) -> str:
    """Return the capacity of services for a terminal."""
    return "\n\n".join(_service(one) for one in services)


def sentence(one: GroupForecast) -> str:
    """Return an answer in one sentence: headroom, and what gives out."""
    room = one.headroom
    if room.high <= 0:
        return f"{one.broken_by} is broken at any rate: it is not traffic that breaks it"
    if not one.broken_by:
        return (
            f"headroom beyond {room.value:.3g} extractions/s, now {one.now:.4g}: too far from what was seen to say more"
        )
    blame = f"; {one.first} gives out first" if one.first else ""
    return f"headroom {_rate(room)} extractions/s, now {one.now:.4g}{blame}"


def _service(one: ServiceCapacity) -> str:
    name = one.service or "(no service name)"
    lines = [f"{name}: nothing can be said. {one.refused}"] if one.refused else []
    for found in one.answers:
        title = name if found.feature_set is None else f"{name} · {found.feature_set}"
        lines += _answer(title, found, one.factor)
    if one.answers:
        check = one.answers[0].check
        lines.append(
            f"  Checked on {check.windows} stretches of time that held back from the model: p95 {percent(check.median_error)} off "
            f"in the median, {percent(check.busiest_error)} at the highest load. Intervals are 90 %."
        )
    lines += [f"  {effect_line(effect, one.factor)}" for effect in one.effects]
    lines += [f"  Nothing is said of {silent}." for silent in one.silent]
    if one.outlook is not None:
        lines += [f"  {line}" for line in outlook_lines(one.outlook)]
    lines += [f"  Not known: {missing}." for missing in one.missing]
    return "\n".join(lines)


def _answer(title: str, one: GroupForecast, factor: float) -> list[str]:
    lines = [f"{title}: {sentence(one)}"]
    lines.append(f"  at {factor:g}x ({one.asked:.4g}/s): p95 {_duration(one.p95_then_s)}, now {_ms(one.p95_now_s)}")
    lines += [f"    {_kept(kept)}" for kept in one.kept]
    if one.beyond_seen > _FAR:
        lines.append(f"    {one.beyond_seen:.1f} times the highest rate that was seen: theory alone says so")
    if one.feature_set is None:
        lines += [f"  {_resource(resource, factor)}" for resource in one.resources]
    return lines


def _kept(one: Kept) -> str:
    requirement = one.requirement
    good = one.good
    return (
        f"{requirement.name} {one.verdict}: {percent(good.value)} ({percent(good.low)} to {percent(good.high)}) under "
        f"{_ms(requirement.limit_s)}, {percent(requirement.share)} wanted"
    )


def _resource(one: StationLoad, factor: float) -> str:
    capacity = f"{one.size}" if one.copies == 1 else f"{one.size} in each of {one.copies:g}"
    if one.kind == MEMORY:
        capacity = f"{size(one.size)} for each process"
    full = f"full at {one.full_at:.4g}/s" if math.isfinite(one.full_at) else "never full"
    said = f"{one.name} ({capacity}): {percent(one.busy_now)} busy, {percent(one.busy_then)} at {factor:g}x, {full}"
    return said + needed(one, factor)


def needed(one: StationLoad, factor: float) -> str:
    """Return what a resource would have to be, after a semicolon; empty where it is large enough."""
    if one.needed is not None and one.kind == MEMORY:
        return f"; {size(one.needed)} needed for {factor:g}x"
    if one.needed is not None:
        return f"; {one.needed} {_UNITS[one.kind]} needed for {factor:g}x"
    if one.needed_copies is not None:
        return f"; {one.needed_copies} {_UNITS[one.kind]} needed for {factor:g}x"
    return ""


def effect_line(one: LoadEffect, factor: float) -> str:
    """Return what load does to an objective without a latency limit, in one sentence."""
    now = f"{one.name}: {percent(one.now)} good, {percent(one.wanted)} wanted"
    if not one.falls:
        return f"{now}; it does not fall as traffic grows, and does not limit it"
    then = "that is too far from what was seen to say more"
    if one.then is not None:
        then = f"{percent(one.then[0])} ({percent(one.then[1])} to {percent(one.then[2])}) at {factor:g}x"
    broken = "" if one.broken_at is None else f"; broken from {one.broken_at:.4g}/s on"
    return f"{now}; it falls as traffic grows: {then}{broken}"


def outlook_lines(one: Outlook) -> list[str]:
    """Return a service's next days, a line each for traffic, latency, headroom and budgets that may end."""
    lines = []
    for name, series, unit in (("traffic", one.traffic, "/s"), ("p95", one.latency, " ms")):
        if series is not None:
            how = "" if series.course == MODEL else ", as in the week before: so far no model was closer"
            peak = max(series.hours, key=lambda hour: hour.value)
            lines.append(
                f"{name} ahead: up to {peak.value:.3g}{unit} ({peak.low:.3g} to {peak.high:.3g}) on {when(peak.unix_s)}, in the "
                f"next {len(series.hours)} hours{how}"
            )
    if one.traffic is not None:
        lines.append(f"headroom: {_moment(one.headroom, 'used up')}")
    for budget in one.budgets:
        group = f" of {budget.feature_set}" if budget.feature_set else ""
        lines.append(f"error budget of {budget.slo}{group}: {_budget(budget)}")
    lines += [f"no forecast of {silent.removesuffix('.')}." for silent in one.silent]
    return lines


def _budget(one: BudgetEnd) -> str:
    if one.refused:
        return f"no forecast. {one.refused}"
    return "used up" if one.used_up else _moment(one.end, "ends")


def _moment(one: Moment, what: str) -> str:
    if one.expected_unix_s is None and one.earliest_unix_s is None:
        return f"not {what} in this time, by the 80 % interval either"
    if one.expected_unix_s is None and one.earliest_unix_s is not None:
        return f"{what} at the earliest {when(one.earliest_unix_s)}; not expected in this time"
    return f"{what} {moment_in_words(one.expected_unix_s, one.earliest_unix_s, one.latest_unix_s)}"


def moment_in_words(expected_unix_s: float | None, earliest_unix_s: float | None, latest_unix_s: float | None) -> str:
    """Write an expected time with its 80 % interval, as far as that is known; empty where it is not expected."""
    if expected_unix_s is None:
        return ""
    text = when(expected_unix_s)
    if earliest_unix_s is not None and latest_unix_s is not None:
        return f"{text}, between {when(earliest_unix_s)} and {when(latest_unix_s)} (80 %)"
    return text if earliest_unix_s is None else f"{text}, at the earliest {when(earliest_unix_s)}"


def when(unix_s: float) -> str:
    """Write the day and the minute of a time."""
    return datetime.fromtimestamp(unix_s, timezone.utc).strftime("%a %Y-%m-%d %H:%M UTC")


def _rate(one: Interval) -> str:
    return f"{one.value:.3g} ({one.low:.3g} to {one.high:.3g})"


def _duration(one: Interval) -> str:
    if math.isinf(one.value):
        return "without bound: something is overloaded"
    high = "without bound" if math.isinf(one.high) else _ms(one.high)
    return f"{_ms(one.value)} ({_ms(one.low)} to {high})"


def _ms(seconds: float) -> str:
    return milliseconds(seconds * NS_PER_S)


def document(services: Sequence[ServiceCapacity]) -> list[dict[str, Any]]:
    """Return the capacity of services as values for JSON; what has no bound is null."""
    return [
        {
            "service": one.service,
            "traffic_factor": one.factor,
            "refused": one.refused,
            "not_known": list(one.missing),
            "silent": list(one.silent),
            "outlook": None if one.outlook is None else _outlook(one.outlook),
            "other_objectives": [_effect(effect) for effect in one.effects],
            "groups": [_as_values(found) for found in one.answers],
        }
        for one in services
    ]


def _effect(one: LoadEffect) -> dict[str, Any]:
    then = None if one.then is None else dict(zip(("value", "low", "high"), one.then, strict=True))
    return {
        "name": one.name,
        "objective": one.wanted,
        "good_ratio_now": one.now,
        "falls_with_traffic": one.falls,
        "good_ratio": then,
        "broken_from_per_s": one.broken_at,
    }


def _as_values(one: GroupForecast) -> dict[str, Any]:
    return {
        "feature_set": one.feature_set,
        "rate_now_per_s": one.now,
        "rate_asked_per_s": one.asked,
        "p95_now_s": one.p95_now_s,
        "p95_then_s": _interval(one.p95_then_s),
        "requirements": [
            {
                "name": kept.requirement.name,
                "limit_s": kept.requirement.limit_s,
                "objective": kept.requirement.share,
                "good_ratio": _interval(kept.good),
                "chance": kept.chance,
                "verdict": kept.verdict,
            }
            for kept in one.kept
        ],
        "headroom_per_s": _interval(one.headroom),
        "broken_by": one.broken_by,
        "gives_out_first": one.first,
        "resources": [
            {
                "kind": resource.kind,
                "name": resource.name,
                "size": resource.size,
                "copies": resource.copies,
                "busy_now_ratio": resource.busy_now,
                "busy_then_ratio": resource.busy_then,
                "full_at_per_s": _finite(resource.full_at),
                "needed_size": resource.needed,
                "needed_copies": resource.needed_copies,
            }
            for resource in one.resources
        ],
        "held_back": {
            "windows": one.check.windows,
            "median_error_ratio": one.check.median_error,
            "busiest_error_ratio": one.check.busiest_error,
        },
        "asked_over_highest_seen": one.beyond_seen,
    }


def _outlook(one: Outlook) -> dict[str, Any]:
    return {
        "traffic_per_s": _series(one.traffic),
        "traffic_forecast_by": None if one.traffic is None else one.traffic.course,
        "p95_ms": _series(one.latency),
        "p95_forecast_by": None if one.latency is None else one.latency.course,
        "headroom_used_up": _moments(one.headroom),
        "error_budgets": [
            {
                "slo": budget.slo,
                "feature_set": budget.feature_set,
                "used_up": budget.used_up,
                "ends": _moments(budget.end),
                "refused": budget.refused,
            }
            for budget in one.budgets
        ],
        "silent": list(one.silent),
    }


def _series(one: SeriesForecast | None) -> list[dict[str, float]] | None:
    if one is None:
        return None
    return [{"unix_s": hour.unix_s, "value": hour.value, "low": hour.low, "high": hour.high} for hour in one.hours]


def _moments(one: Moment) -> dict[str, float | None]:
    return {
        "expected_unix_s": one.expected_unix_s,
        "earliest_unix_s": one.earliest_unix_s,
        "latest_unix_s": one.latest_unix_s,
    }


def _interval(one: Interval) -> dict[str, float | None]:
    return {"value": _finite(one.value), "low": _finite(one.low), "high": _finite(one.high)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
