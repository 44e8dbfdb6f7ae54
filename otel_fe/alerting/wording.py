"""Puts alerts into words: title, impact, likely cause and first action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import Alert, AlertType, State
from otel_fe.alerting.first_action import first_action
from otel_fe.alerting.message import share_in_words
from otel_fe.alerting.origin import Origin
from otel_fe.formatting import clock_time, size
from otel_fe.units import MB, NS_PER_S

if TYPE_CHECKING:
    from otel_fe.alerting.evaluation import Evaluation
    from otel_fe.alerting.likely_cause import Likely
    from otel_fe.alerting.rule import Rule

_RATIO: Final = "ratio"
_NOWHERE: Final = Origin()


def alert_of(  # noqa: PLR0917 what an alert is
    reading: Evaluation,
    state: State,
    times: tuple[float, float, float],
    why: Likely,
    exemplars: tuple[str, ...],
    resolution: str = "",
    origin: Origin = _NOWHERE,
) -> Alert:
    """Return an alert.

    Args:
        reading: The last one.
        state: Where it is in its life.
        times: Unix times: since when, fired, resolved; 0 for not yet.
        why: Its likely cause.
        exemplars: Trace ids.
        resolution: Why it is resolved.
        origin: Who speaks.
    """
    rule = reading.rule
    threshold = rule.threshold if reading.threshold is None else reading.threshold
    unit = "per s" if rule.type is AlertType.THROUGHPUT_DROP else rule.unit
    value, limit = _number(reading.observed, unit), _number(threshold, unit)
    side = _side(rule)
    if state is State.RESOLVED:
        title, message = _resolved(reading, times[0], resolution, f"last {value} (threshold {limit})")
    else:
        title, message = _firing(reading, times[0], why, value, f"{side} {limit}")
    return Alert(
        key=reading.key,
        type=rule.type,
        severity=rule.severity,
        state=state,
        title=title,
        message=message,
        service=reading.group.service,
        feature_set=reading.group.feature_set,
        subject=rule.subject,
        observed=reading.observed,
        threshold=threshold,
        unit=unit,
        samples=reading.samples,
        since_unix_s=times[0],
        fired_unix_s=times[1],
        resolved_unix_s=times[2],
        cause=why.cause,
        cause_detail=why.detail,
        exemplars=exemplars,
        first_action=first_action(rule.type, why.cause),
        resolution=resolution,
        ended=reading.ending if state is State.RESOLVED else "",
        cause_line=why.line,
        impact=_impact(reading, side, limit),
        service_name=reading.group.service or origin.service,
        trace_urls=tuple(url for url in map(origin.trace_url, exemplars) if url),
        page_url=origin.page_url(reading.group.service, reading.group.feature_set, times[0], times[2]),
        runbook_url=origin.runbook_url(rule.type.value, why.cause, reading.group.service, reading.group.feature_set),
    )


def _side(rule: Rule) -> str:
    """Return how a value relates to its threshold, before the threshold."""
    if rule.type is AlertType.ANOMALY:
        return "at this hour it is usually about"
    return "has to be below" if rule.higher_is_worse else "has to be above"


def _firing(reading: Evaluation, since_unix_s: float, why: Likely, value: str, healthy: str) -> tuple[str, str]:
    """Return the title and the message of an alert that is pending or fires."""
    title = reading.statement or f"{_capital(reading.rule.subject)}{_where(reading)} is {value}"
    counted = f" {_capital(reading.words)}." if reading.words else ""
    judged = "" if reading.statement else f", and {healthy}"
    message = f"{title}{judged}. Since {clock_time(since_unix_s * NS_PER_S)}.{counted}"
    return title, message + (f" Likely cause: {why.detail}." if why.detail else "")


def _resolved(reading: Evaluation, since_unix_s: float, resolution: str, last: str) -> tuple[str, str]:
    """Return the title and the message of an alert that is over."""
    began = f"It began at {clock_time(since_unix_s * NS_PER_S)}."
    if reading.statement and reading.ending:
        return f"Resolved: {reading.statement}", f"{reading.statement}: {reading.ending}. {began}"
    subject, where = reading.rule.subject, _where(reading)
    after = "recovered" if resolution == "recovered" else "nothing is measured any more"
    message = f"{_capital(subject)}{where}: {after}; {last}. {began}"
    return f"Resolved: {subject}{where}", message


def _impact(reading: Evaluation, side: str, limit: str) -> str:
    """Return the impact in words: an intuitive share, the counts, and the consequence."""
    if reading.statement:
        return reading.outlook or reading.words
    found = f"it {side} {limit}"
    if reading.bad and reading.samples:
        found = share_in_words(reading.bad, reading.samples)
    if reading.words:
        found += f" ({reading.words})"
    return f"{found}; {reading.outlook}" if reading.outlook else found


def _where(reading: Evaluation) -> str:
    parts = [reading.group.feature_set, reading.detail]
    found = " of " + ", ".join(part for part in parts if part) if any(parts) else ""
    return f"{found} in {reading.group.service}" if reading.group.service else found


def _number(value: float, unit: str) -> str:
    if unit == _RATIO:
        return f"{value * 100:.3g} %"
    if unit == "MB":
        return size(value * MB)
    return f"{value:.4g} {'%' if unit == 'percent' else unit}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
