"""The ends of error budgets, as a gauge and as alerts, from the forecasts of `otel-fe capacity --json`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from otel_fe import process_metrics, semconv
from otel_fe.alerting.alert import AlertType, Severity
from otel_fe.alerting.evaluation import Evaluation
from otel_fe.alerting.rule import Rule
from otel_fe.alerting.sources import subject_of
from otel_fe.capacity.text import when
from otel_fe.live.view import ExtractionGroup
from otel_fe.pipeline.slo_engine import GaugeValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, Any]
    _Key = tuple[str, str, str]

_HOUR_S: Final = 3_600.0
_LONGEST_H: Final = 168.0
"""The horizon of forecasts."""


@dataclass(frozen=True, slots=True)
class _End:
    """The end of one budget."""

    service: str
    slo: str
    feature_set: str
    horizon_h: float
    """How far the forecast looks ahead."""
    expected_unix_s: float | None = None
    """None: not in this time."""
    earliest_unix_s: float | None = None
    """By the worse bound of the 80 % interval."""
    used_up: bool = False

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds until it ends, 0 once it has; None where that is not expected."""
        if self.used_up:
            return 0.0
        return None if self.expected_unix_s is None else max(0.0, self.expected_unix_s - now_s)


class BudgetEnds:
    """The ends of the budgets of all services, as they were forecast last. Not thread-safe while it takes a forecast.

    A budget without a forecast has neither gauge nor alert.
    """

    def __init__(self) -> None:
        self._ends: dict[_Key, _End] = {}

    def take(self, services: Sequence[Document]) -> None:
        """Take a new forecast. A budget that was expected to end, and is no longer, stays known: so its alert ends as recovered."""
        found: dict[_Key, _End] = {}
        for service in services:
            name, outlook = service["service"], service.get("outlook") or {}
            horizon_h = float(len(outlook.get("traffic_per_s") or ()))
            budgets = outlook.get("error_budgets") or ()
            refused = {(name, one["slo"], one["feature_set"]) for one in budgets if one["refused"]}
            if horizon_h:
                found |= {
                    key: replace(end, horizon_h=horizon_h, expected_unix_s=None, earliest_unix_s=None, used_up=False)
                    for key, end in self._ends.items()
                    if key[0] == name and key not in refused
                }
            for one in budgets:
                key = (name, one["slo"], one["feature_set"])
                if key not in refused:
                    ends = one["ends"]
                    found[key] = _End(
                        *key, horizon_h, ends["expected_unix_s"], ends["earliest_unix_s"], used_up=one["used_up"]
                    )
        self._ends = found

    def gauges(self, now_s: float) -> tuple[GaugeValue, ...]:
        """Return `feature_extraction.slo.error_budget.exhausted_in` of each budget that is expected to end, or has ended."""
        found = []
        for end in self._ends.values():
            left_s = end.left_s(now_s)
            if left_s is not None:
                labels = {semconv.SLO: end.slo} | ({semconv.FEATURE_SET: end.feature_set} if end.feature_set else {})
                found.append(GaugeValue(process_metrics.BUDGET_EXHAUSTED_IN, end.service, labels, left_s))
        return tuple(found)

    def evaluations(self, now_s: float) -> tuple[Evaluation, ...]:
        """Return the evaluations for alerts on budgets that are about to end."""
        return tuple(_evaluation(end, now_s) for end in self._ends.values())


def _evaluation(end: _End, now_s: float) -> Evaluation:
    """Return the hours that a budget lasts; those of the whole forecast where its end is not expected.

    A budget that is used up already raises no alert, since those on its burn rate did; one that was raised before stays.
    """
    left_s = end.left_s(now_s)
    rule = Rule(
        AlertType.SLO_BURN,
        subject_of(end.slo),
        _LONGEST_H,
        _LONGEST_H,
        "h of budget",
        Severity.TICKET,
        window_s=_HOUR_S,
        min_samples=0,
        clear_for_s=_HOUR_S,
        cooldown_s=6 * _HOUR_S,
        higher_is_worse=False,
    )
    return Evaluation(
        rule,
        end.horizon_h if left_s is None else left_s / _HOUR_S,
        holds=left_s is not None and not end.used_up,
        over=left_s is None and end.earliest_unix_s is None,
        group=ExtractionGroup(end.service, end.feature_set),
        detail="forecast",
        threshold=end.horizon_h,
        outlook=_in_words(end),
    )


def _in_words(end: _End) -> str:
    """Return when a budget ends; empty where that is not expected."""
    if end.used_up:
        return "the error budget is used up"
    if end.expected_unix_s is None:
        return ""
    earliest = "" if end.earliest_unix_s is None else f", at the earliest {when(end.earliest_unix_s)}"
    return f"the error budget ends {when(end.expected_unix_s)}{earliest}"
