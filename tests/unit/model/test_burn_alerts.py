from __future__ import annotations

from fractions import Fraction

import pytest

from otel_fe.model.burn_alerts import MOST_BAD, WORKBOOK, out_of_reach, recommend
from otel_fe.model.slo import PAGE, TICKET
from otel_fe.units import DAY_NS, HOUR_NS, MINUTE_NS
from tests.simulation.minutes import slo

MONTH_NS = 30 * DAY_NS


def burns(objective, length_ns=MONTH_NS):
    """Return severity, windows in minutes and burn rate of each alert on the budget."""
    budget = 1 - Fraction(objective)
    return [
        (alert.severity, alert.long_ns // MINUTE_NS, alert.short_ns // MINUTE_NS, alert.share / budget)
        for alert in recommend(Fraction(objective), length_ns).alerts
        if alert.name == "burn"
    ]


@pytest.mark.parametrize("objective", ["0.9999", "0.999", "0.99", "0.95"])
def test_thirty_days_have_the_workbook_s_table(objective):
    """1 h/5 m at 14.4x, 6 h/30 m at 6x, 3 d/6 h at 1x: exactly, since they are made of 2 %, 5 % and 10 % of the budget."""
    assert burns(objective) == [
        (PAGE, 60, 5, Fraction("14.4")),
        (PAGE, 360, 30, 6),
        (TICKET, 4320, 360, 1),
    ]
    assert [line.long_ns // line.short_ns for line in WORKBOOK] == [12, 12, 12]


def test_what_is_out_of_reach_is_replaced():
    """A 70 % objective burns at 3.33x at most: the pages come at 75 % and 50 % bad instead, and say why."""
    assert burns("0.7") == [(PAGE, 60, 5, Fraction(5, 2)), (PAGE, 360, 30, Fraction(5, 3)), (TICKET, 4320, 360, 1)]
    page = recommend(Fraction("0.7"), MONTH_NS).alerts[0]
    assert slo(Fraction("0.7")).describe(page) == (
        "more than 75 % bad in the last 1h and in the last 5m (2.5x the budget); "
        "14.4x is out of reach: at an objective of 70 % everything bad burns at 3.333x"
    )
    assert out_of_reach(Fraction("0.99"), Fraction("0.7")) == ""


def test_what_needs_nearly_everything_is_replaced():
    """The first page of 94.5 % would need 79.2 % bad and is replaced; that of 95 % needs 72 % and stays."""
    first = recommend(Fraction("0.945"), MONTH_NS).alerts[0]
    assert (first.share, first.note) == (Fraction(3, 4), "14.4x needs 79.2 % bad, nearly everything")
    stays = recommend(Fraction("0.95"), MONTH_NS).alerts[0]
    assert (stays.share, stays.note) == (Fraction("0.72"), "")
    assert slo(Fraction("0.95")).describe(stays).startswith("more than 72 % bad")


@pytest.mark.parametrize("percent", range(1, 100))
def test_every_alert_can_fire(percent):
    """Whatever the objective: none needs more than three quarters, none is within the budget, quicker ones need more."""
    objective = Fraction(percent, 100)
    found = recommend(objective, MONTH_NS)
    pages = [alert.share for alert in found.alerts if alert.severity == PAGE]
    assert all(1 - objective < share <= MOST_BAD for share in pages)
    assert pages == sorted(pages, reverse=True)
    assert len(pages) + len(found.left_out) == 2


def test_what_has_no_place_is_left_out_and_said():
    """A page within the budget, and windows as long as the SLO's own."""
    assert recommend(Fraction("0.4"), MONTH_NS).left_out == (
        (
            "no page on 6h: 6x is out of reach: at an objective of 40 % everything bad burns at 1.667x, "
            "and 50 % bad is within the budget"
        ),
    )
    day = recommend(Fraction("0.99"), DAY_NS)
    assert day.left_out == ("no ticket on 3d: it is no part of a window of 1d",)
    assert day.alerts[0].note == "0.48x, as recommended, is within the budget of 1d"


def test_without_a_budget_there_is_nothing_to_burn():
    """One bad event breaks an objective of 100 %; it stays in sight for an hour."""
    (alert,) = recommend(Fraction(1), MONTH_NS).alerts
    assert (alert.name, alert.severity, alert.share, alert.windows) == ("objective", TICKET, 0, (HOUR_NS,))
    assert slo(Fraction(1)).describe(alert) == "any bad event in the last 1h"
