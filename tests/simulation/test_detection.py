"""The delay of alerts, compared with the SRE workbook's formula.

"The Site Reliability Workbook", chapter 5: detection takes (1 - SLO) / error ratio x alerting window x burn rate; for 99.9 %, that is
52 s, 8.6 min and, with 6x over 6 h, 3.6 h for error ratios of 100 %, 10 % and 1 %.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from otel_fe.units import MINUTE_NS
from tests.simulation.minutes import Minutes, key, periods, slo, steady

DAY = 1440
RATE = 1000
HEALTHY = 4 * DAY
PAGE_1H, PAGE_6H, TICKET_3D = ("burn", "page", 60), ("burn", "page", 360), ("burn", "ticket", 4320)


def incident(ratio, objective="0.999", *, lasts=4 * DAY, before=0):
    """Return when each alert came and went, in minutes from the beginning of an incident after good days."""
    total = [RATE] * (HEALTHY + lasts + DAY)
    bad = steady(before, RATE, HEALTHY) + steady(ratio, RATE, lasts) + steady(before, RATE, DAY)
    found = periods(slo(Fraction(objective)), Minutes(bad, total), HEALTHY - 10, len(total))
    return {alert: [(begin - HEALTHY, end - HEALTHY) for begin, end in on] for alert, on in found.items()}


@pytest.mark.parametrize(
    ("ratio", "alert", "minutes"),
    [
        (Fraction(1), PAGE_1H, 1),
        (Fraction("0.1"), PAGE_1H, 10),
        (Fraction("0.02"), PAGE_1H, 48),
        (Fraction("0.01"), PAGE_6H, 231),
        (Fraction("0.002"), TICKET_3D, 2261),
        (Fraction("0.0011"), TICKET_3D, 4110),
    ],
)
def test_detection_takes_as_long_as_the_workbook_says(ratio, alert, minutes):
    """Within 10 % and a minute of its formula, which needs no confidence; the numbers are those that were measured."""
    objective = slo(Fraction("0.999"))
    (chosen,) = (one for one in objective.alerts if key(one) == alert)
    formula = float(chosen.share / ratio) * chosen.long_ns / MINUTE_NS
    ((begin, _), *_) = incident(ratio)[alert]
    assert begin == minutes
    assert formula <= begin <= 1.1 * formula + 1


def test_what_no_alert_is_for():
    """Exactly at the budget nothing burns too fast: the workbook's rule is `>`. Pages are for more than 6x."""
    assert not any(incident(Fraction("0.001"))[alert] for alert in (PAGE_1H, PAGE_6H, TICKET_3D))
    slow = incident(Fraction("0.005"))
    assert not slow[PAGE_1H]
    assert not slow[PAGE_6H]
    assert slow[TICKET_3D]


def test_a_page_goes_soon_after_the_incident():
    """A page resolves soon because of the short window: without it, 20 minutes of errors would page for another hour."""
    found = incident(Fraction("0.5"), lasts=20)
    assert found[PAGE_1H] == [(2, 24)]
    assert found[PAGE_6H][0][1] <= 20 + 30


@pytest.mark.parametrize(
    ("objective", "ratio", "expected"),
    [
        ("0.95", "0.71", [PAGE_6H]),  # 14.4x needs 72 % bad
        ("0.95", "0.8", [PAGE_1H, PAGE_6H]),
        ("0.7", "1", [PAGE_1H, PAGE_6H]),  # the workbook's own burn rates could not fire
        ("0.7", "0.6", [PAGE_6H]),
        ("0.7", "0.45", []),
    ],
)
def test_objectives_with_large_budgets_page_too(objective, ratio, expected):
    """The latency and the cache of the four requirements, with 1 % and 20 % bad on good days."""
    before = Fraction("0.01") if objective == "0.95" else Fraction("0.2")
    found = incident(Fraction(ratio), objective, before=before)
    assert [alert for alert in (PAGE_1H, PAGE_6H) if found[alert]] == expected


def test_the_objective_itself_is_tested_beside_the_budget():
    """6 % slow is p95 above the limit, and only 1.2x: a ticket for the hour says so, days before the budget's own does."""
    found = incident(Fraction("0.06"), "0.95", before=Fraction("0.01"))
    ((direct, _), *_) = found["objective", "ticket", 60]
    assert direct <= 60
    assert not found[PAGE_1H]
    assert not found[PAGE_6H]
    assert found[TICKET_3D][0][0] > DAY
