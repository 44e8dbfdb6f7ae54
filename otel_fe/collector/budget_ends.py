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
from otel_fe.formatting import elapsed
from otel_fe.live.view import ExtractionGroup
from otel_fe.pipeline.slo_engine import GaugeValue
from otel_fe.units import HOUR_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, Any]
    _Key = tuple[str, str, str]

_LONGEST_H: Final = 168.0
"""The horizon of forecasts."""


@dataclass(frozen=True, slots=True)
class _End:
    """The end of one budget."""

    service: str
    slo: str
    feature_set: str
    horizon_h: float
    """Length of the forecast."""
    expected_unix_s: float | None = None
    """None: not in this time."""
    earliest_unix_s: float | None = None
    """Earlier end of the 80 % interval."""
    latest_unix_s: float | None = None
    """Later end of the 80 % interval; None: maybe not in this time."""
    used_up: bool = False
    was_used_up: bool = False
    """By the forecast before."""
    missing: str = ""
    """The reason for having no forecast any more; empty if there is one."""

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds until it ends, 0 once it has; None where that is not expected."""
        if self.used_up:
            return 0.0
        return None if self.expected_unix_s is None else max(0.0, self.expected_unix_s - now_s)

    def not_near(self, horizon_h: float) -> _End:
        """Return it as a forecast has it that does not name it: its end is not in sight."""
        near = self.expected_unix_s is not None or self.earliest_unix_s is not None
        was_used_up = self.used_up or (self.was_used_up and not near)
        return _End(self.service, self.slo, self.feature_set, horizon_h, was_used_up=was_used_up)

    def without(self, reason: str) -> _End:
        """Return it as it is when there is no forecast any more."""
        return _End(self.service, self.slo, self.feature_set, self.horizon_h, missing=reason)


class BudgetEnds:
    """The ends of the budgets of all services, as they were forecast last. Not thread-safe while it takes a forecast.

    A budget without a forecast has no gauge, and its alert ends with the reason.
    """

    def __init__(self) -> None:
        self._ends: dict[_Key, _End] = {}

    def take(self, services: Sequence[Document]) -> None:
        """Take a new forecast.

        A budget that was expected to end, and is no longer, stays known until the next one: so its alert ends with the reason.
        """
        before = {key: end for key, end in self._ends.items() if not end.missing}
        found = {
            key: end.without(f"no extractions of {key[0] or 'this service'} are stored any more")
            for key, end in before.items()
        }
        for service in services:
            name, outlook = service["service"], service.get("outlook") or {}
            mine = {key: end for key, end in before.items() if key[0] == name}
            horizon_h = float(len(outlook.get("traffic_per_s") or ()))
            if not horizon_h:
                reason = _no_traffic(outlook)
                found |= {key: end.without(reason) for key, end in mine.items()}
                continue
            found |= {key: end.not_near(horizon_h) for key, end in mine.items()}
            for one in outlook.get("error_budgets") or ():
                key = (name, one["slo"], one["feature_set"])
                if not one["refused"]:
                    found[key] = replace(_named(key, horizon_h, one), was_used_up=key in mine and mine[key].used_up)
                elif key in mine:
                    found[key] = mine[key].without(one["refused"].rstrip("."))
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


def _named(key: _Key, horizon_h: float, one: Document) -> _End:
    ends = one["ends"]
    moments = (ends["expected_unix_s"], ends["earliest_unix_s"], ends.get("latest_unix_s"))
    return _End(*key, horizon_h, *moments, used_up=one["used_up"])


def _no_traffic(outlook: Document) -> str:
    reasons = [one for one in outlook.get("silent") or () if one.startswith("traffic")]
    why = f": {reasons[0].removeprefix('traffic: ')}" if reasons else ""
    return f"traffic, which it depends on, has no forecast{why}".rstrip(".")


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
        window_s=HOUR_S,
        min_samples=0,
        clear_for_s=HOUR_S,
        cooldown_s=6 * HOUR_S,
        higher_is_worse=False,
    )
    return Evaluation(
        rule,
        end.horizon_h if left_s is None else left_s / HOUR_S,
        holds=left_s is not None and not end.used_up,
        over=left_s is None and end.earliest_unix_s is None,
        group=ExtractionGroup(end.service, end.feature_set),
        detail="forecast",
        threshold=end.horizon_h,
        outlook=_outlook(end, left_s),
        statement=_statement(end, now_s),
        ending=_ending(end),
        known=not end.missing,
    )


def _statement(end: _End, now_s: float) -> str:
    """Return what is wrong, as a title: the budget by its name, and when it ends."""
    of = f" of {end.feature_set}" if end.feature_set else ""
    what = f"Error budget of {subject_of(end.slo)}{of}" + (f" in {end.service}" if end.service else "")
    if end.missing:
        return f"{what} is not forecast any more"
    if end.used_up:
        return f"{what} is used up"
    if end.expected_unix_s is None and end.was_used_up:
        return f"{what} is no longer used up"
    if end.expected_unix_s is None:
        return f"{what} is no longer expected to end within {elapsed(end.horizon_h * HOUR_S)}"
    if end.expected_unix_s <= now_s:
        return f"{what} is expected to have ended by {when(end.expected_unix_s)}"
    return f"{what} is expected to end {when(end.expected_unix_s)}"


def _outlook(end: _End, left_s: float | None) -> str:
    """Return what that means, and how sure it is."""
    if end.used_up:
        return "the objective is missed until enough bad extractions have left its window; every further one counts against it"
    if left_s is None:
        if end.earliest_unix_s is None:
            return ""
        return f"it may still end, at the earliest {when(end.earliest_unix_s)} (80 % interval); the alert stays until it cannot"
    left = f"in {elapsed(left_s)}" if left_s else "about now"
    bounds = [
        f"{name} {when(at)}"
        for name, at in (("not before", end.earliest_unix_s), ("not after", end.latest_unix_s))
        if at is not None
    ]
    sure = f" ({' and '.join(bounds)} with 80 %)" if bounds else ""
    return f"at the pace of the last two days the objective is missed {left}{sure}; until then it holds"


def _ending(end: _End) -> str:
    """Return why there is nothing to be alarmed about, or nothing known; empty while it is expected to end."""
    if end.missing:
        return f"{end.missing}. That is no recovery: see `otel-fe capacity`, and the burn rate"
    if end.expected_unix_s is not None or end.used_up or end.earliest_unix_s is not None:
        return ""
    ahead = elapsed(end.horizon_h * HOUR_S)
    if end.was_used_up:
        return f"enough bad extractions have left its window, and no end is expected within {ahead}"
    return f"the forecast has turned: by its 80 % interval there is no end within {ahead} either"
