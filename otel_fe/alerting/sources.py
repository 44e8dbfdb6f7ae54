"""Inputs of alerts besides the live view: burning budgets and pools in use, as evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.alerting.alert import AlertType, Severity
from otel_fe.alerting.evaluation import Evaluation
from otel_fe.alerting.rule import Rule
from otel_fe.formatting import elapsed
from otel_fe.live.view import ExtractionGroup
from otel_fe.model.slo import PAGE
from otel_fe.model.time_windows import Calendar, show_span
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.pipeline.burn_alert_state import BurnAlertState
    from otel_fe.pipeline.slo_engine import SloState


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A pool at one moment."""

    name: str
    """Name in alerts, for example the address that the pool connects to."""
    in_use: int
    """Connections that are lent out."""
    size: int
    """Most connections that the pool can open."""
    waiting: int | None = None
    """Waiting callers; None where the pool does not report them."""


def measure_pools(rule: Rule, pools: Iterable[PoolUse]) -> list[Evaluation]:
    """Return the readings of the rule about pools in use. A full pool whose callers do not wait is no problem."""
    found = []
    for pool in pools:
        if pool.size > 0:
            use = pool.in_use / pool.size
            holds = rule.reached(use) and pool.waiting != 0
            waiting = "" if pool.waiting is None else f", {pool.waiting} waiting"
            words = f"{pool.in_use} of {pool.size} connections in use{waiting}"
            found.append(Evaluation(rule, use, holds, rule.over(use), detail=pool.name, words=words))
    return found


def measure_burning(states: Iterable[SloState], cooldown_s: float) -> list[Evaluation]:
    """Return the readings of all alerts of some SLOs.

    Args:
        states: From the SLO engine.
        cooldown_s: Cooldown of all these alerts.
    """
    return [
        _burning(state, one, cooldown_s) for state in states for one in state.alerts if state.slo.budget or one.long.bad
    ]


def subject_of(slo: str) -> str:
    """Return the subject of the alerts on an SLO's budget."""
    return f"SLO {slo}"


def _outlook(state: SloState, rate: float) -> str:
    """Return in words how long a whole error budget lasts at a burn rate."""
    window = state.slo.window
    if isinstance(window, Calendar) or rate <= 1:
        return ""
    return f"at this pace the error budget of {show_span(window.length_ns)} lasts {elapsed(window.length_ns / NS_PER_S / rate)}"


def _burning(state: SloState, one: BurnAlertState, cooldown_s: float) -> Evaluation:
    budget = state.slo.budget
    threshold = float(one.alert.share / budget) if budget else 0.0
    rule = Rule(
        AlertType.SLO_BURN,
        subject_of(state.slo.name),
        threshold,
        threshold,
        "x budget" if budget else "bad events",
        Severity.PAGE if one.alert.severity == PAGE else Severity.TICKET,
        min_samples=0,
        for_s=one.alert.after_ns / NS_PER_S,
        cooldown_s=cooldown_s,
    )
    # While the alert holds, the value of the long window; after that, of the short one, which has ended it.
    deciding = one.long if one.true else one.short
    observed = float(state.slo.burn_rate(deciding) or 0) if budget else float(deciding.bad)
    # The engine's condition has its own guard against chance; its short window decides when it is over.
    over = not one.true and not one.short.exceed(one.alert.share)
    # A short window without events proves nothing: a service that died has not recovered.
    known = one.true or bool(one.short.total)
    windows = "/".join(show_span(window) for window in one.alert.windows)
    group = ExtractionGroup(state.group.service, state.group.feature_set)
    return Evaluation(
        rule,
        observed,
        one.true,
        over,
        one.long.total,
        group,
        f"{one.alert.name} {windows}",
        words=one.describe(),
        bad=one.long.bad,
        outlook=_outlook(state, observed) if budget and one.true else "",
        known=known,
    )
