"""The default alerts of an SLO: those of the SRE workbook, replaced where the objective could never let them fire.

Source: "The Site Reliability Workbook", chapter 5 "Alerting on SLOs", section 6 "Multiwindow, Multi-Burn-Rate Alerts", table 5-8:
2 % of a 30-day budget in 1 h, 5 % in 6 h (pages) and 10 % in 3 d (ticket), each with a short window of 1/12. The burn rates follow
from those budgets: 0.02 x 720 h / 1 h = 14.4, 0.05 x 720 h / 6 h = 6, 0.1 x 30 d / 3 d = 1.

A burn rate is at most 1/(1 - objective), when everything is bad: 3.33 at 70 %. 14.4 and 6 can then never be exceeded (the
workbook says so of 90 % in "Extreme Availability Goals", and gives no rule). Ours: a page that would need more than three
quarters of all events bad is replaced by one at a share that can be reached, with the same windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from otel_fe.model.slo import PAGE, TICKET, BurnAlert, show_number
from otel_fe.model.time_windows import show_span
from otel_fe.units import DAY_NS, HOUR_NS, MINUTE_NS

BURN: Final = "burn"
OBJECTIVE: Final = "objective"


@dataclass(frozen=True, slots=True)
class WorkbookLine:
    """A line of the workbook's table."""

    severity: str
    budget: Fraction
    """Share of the whole window's budget, spent within the long window."""
    long_ns: int
    short_ns: int
    reachable: Fraction
    """Share of bad events that replaces a recommended one that can never be reached."""


WORKBOOK: Final = (
    WorkbookLine(PAGE, Fraction(2, 100), HOUR_NS, 5 * MINUTE_NS, Fraction(3, 4)),
    WorkbookLine(PAGE, Fraction(5, 100), 6 * HOUR_NS, 30 * MINUTE_NS, Fraction(1, 2)),
    WorkbookLine(TICKET, Fraction(10, 100), 3 * DAY_NS, 6 * HOUR_NS, Fraction(1)),
)
"""Table 5-8; `reachable` is ours: falling, so that the page with the shorter window needs the larger share."""
MOST_BAD: Final = Fraction(3, 4)
"""The largest share of bad events that a recommended page may need. 14.4x at 95 % needs 72 % and stays."""
DIRECT_WINDOW_NS: Final = HOUR_NS
"""The objective itself is tested on this window: "p95 was above 100 ms in the last hour"."""
_DIRECT_SHORT_NS: Final = 5 * MINUTE_NS


@dataclass(frozen=True, slots=True)
class Recommended:
    """The workbook's table, fitted to an SLO."""

    alerts: tuple[BurnAlert, ...]
    left_out: tuple[str, ...] = ()
    """The reason why a line of the table has no alert."""


def recommend(objective: Fraction, length_ns: int) -> Recommended:
    """Return the alerts of an SLO: the workbook's, and a direct test of the objective.

    Args:
        objective: Share of good events, above 0, at most 1.
        length_ns: Of the SLO's window.
    """
    budget = 1 - objective
    found = [_burn(line, budget, length_ns) for line in WORKBOOK] if budget else []
    return Recommended(
        (*(one for one in found if isinstance(one, BurnAlert)), _objective(budget)),
        tuple(one for one in found if isinstance(one, str)),
    )


def out_of_reach(share: Fraction, objective: Fraction) -> str:
    """Return why an alert above this share of bad events can never fire; empty where it can."""
    budget = 1 - objective
    if not budget or share < 1:
        return ""
    rate, most = show_number(share / budget), show_number(1 / budget)
    return f"{rate}x is out of reach: at an objective of {_percent(objective)} everything bad burns at {most}x"


def _objective(budget: Fraction) -> BurnAlert:
    # Without a budget one bad event breaks the objective: it stays in sight for the whole long window.
    short = _DIRECT_SHORT_NS if budget else 0
    return BurnAlert(OBJECTIVE, TICKET, DIRECT_WINDOW_NS, short, budget)


def _burn(line: WorkbookLine, budget: Fraction, length_ns: int) -> BurnAlert | str:
    """Return a line's alert, or why it has no place in the SLO's window or above its budget."""
    name = f"{line.severity} on {show_span(line.long_ns)}"
    if line.long_ns >= length_ns:
        return f"no {name}: it is no part of a window of {show_span(length_ns)}"
    recommended = line.budget * length_ns / line.long_ns
    # In windows of a few days the recommended budgets are less than what may be spent anyway.
    rate = max(recommended, Fraction(1))
    share, note = rate * budget, ""
    if share > MOST_BAD:
        note = out_of_reach(share, 1 - budget) or f"{show_number(rate)}x needs {_percent(share)} bad, nearly everything"
        share = line.reachable
        if share <= budget:
            return f"no {name}: {note}, and {_percent(share)} bad is within the budget"
    elif rate > recommended:
        note = f"{show_number(recommended)}x, as recommended, is within the budget of {show_span(length_ns)}"
    return BurnAlert(BURN, line.severity, line.long_ns, line.short_ns, share, note=note)


def _percent(share: Fraction) -> str:
    return f"{show_number(share * 100)} %"
