"""An alert made of what is known of it, in words."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.advice import first_action
from otel_fe.alerting.alert import Alert, AlertType, State

if TYPE_CHECKING:
    from otel_fe.alerting.evaluation import Evaluation
    from otel_fe.alerting.why import Likely

_RATIO: Final = "ratio"


def alert_of(  # noqa: PLR0917 what an alert is
    reading: Evaluation,
    state: State,
    times: tuple[float, float, float],
    why: Likely,
    exemplars: tuple[str, ...],
    resolution: str = "",
) -> Alert:
    """Return an alert.

    Args:
        reading: The last one.
        state: Where it is in its life.
        times: Unix times: since when, fired, resolved; 0 for not yet.
        why: Its likely cause.
        exemplars: Trace ids.
        resolution: Why it is resolved.
    """
    rule = reading.rule
    threshold = rule.threshold if reading.threshold is None else reading.threshold
    unit = "per s" if rule.type is AlertType.THROUGHPUT_DROP else rule.unit
    where = _where(reading)
    value, limit = _number(reading.observed, unit), _number(threshold, unit)
    title = f"{_capital(rule.subject)}{where} is {value}"
    if state is State.RESOLVED:
        title = f"Resolved: {rule.subject}{where}"
        after = "recovered" if resolution == "recovered" else "nothing is measured any more"
        message = f"{_capital(rule.subject)}{where}: {after}; last {value} (threshold {limit}). It began at {_clock(times[0])}."
    else:
        side = "has to be below" if rule.higher_is_worse else "has to be above"
        if rule.type is AlertType.ANOMALY:
            side = "at this hour it is usually about"
        counted = f" {_capital(reading.words)}." if reading.words else ""
        message = f"{_capital(rule.subject)}{where} is {value}, and {side} {limit}. Since {_clock(times[0])}.{counted}"
        if why.detail:
            message += f" Likely cause: {why.detail}."
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
    )


def _where(reading: Evaluation) -> str:
    parts = [reading.group.feature_set, reading.detail]
    found = " of " + ", ".join(part for part in parts if part) if any(parts) else ""
    return f"{found} in {reading.group.service}" if reading.group.service else found


def _number(value: float, unit: str) -> str:
    if unit == _RATIO:
        return f"{value * 100:.3g} %"
    return f"{value:.4g} {'%' if unit == 'percent' else unit}"


def _clock(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
