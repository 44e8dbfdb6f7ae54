from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from otel_fe.model.time_windows import Calendar, Rolling, show_span
from otel_fe.units import DAY_NS, HOUR_NS, MINUTE_NS

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")


def ns(*when, zone=UTC):
    """Return a date as Unix time in nanoseconds."""
    return int(datetime(*when, tzinfo=zone).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("start", "zone", "count", "unit", "now", "begin", "end"),
    [
        ((2026, 1, 1), UTC, 1, "M", (2026, 2, 14), (2026, 2, 1), (2026, 3, 1)),
        ((2026, 1, 1), UTC, 1, "M", (2026, 2, 1), (2026, 2, 1), (2026, 3, 1)),
        ((2026, 1, 1), UTC, 1, "M", (2025, 12, 31, 23), (2025, 12, 1), (2026, 1, 1)),
        ((2026, 1, 31), UTC, 1, "M", (2026, 3, 1), (2026, 2, 28), (2026, 3, 31)),
        ((2026, 1, 1), UTC, 1, "Q", (2026, 6, 30), (2026, 4, 1), (2026, 7, 1)),
        ((2024, 2, 29), UTC, 1, "Y", (2026, 1, 1), (2025, 2, 28), (2026, 2, 28)),
        ((2026, 1, 5), UTC, 2, "w", (2026, 1, 20), (2026, 1, 19), (2026, 2, 2)),
        # The clocks go forward on 29 March: that day has 23 hours.
        ((2026, 1, 1), BERLIN, 1, "d", (2026, 3, 29, 12), (2026, 3, 29), (2026, 3, 30)),
    ],
)
def test_calendars(start, zone, count, unit, now, begin, end):
    """Periods follow each other without a gap, by the calendar and the clock of their zone."""
    window = Calendar(datetime(*start, tzinfo=zone).replace(tzinfo=None), zone, count, unit)
    now_ns = ns(*now, zone=zone)
    assert (window.begin_ns(now_ns), window.end_ns(now_ns)) == (ns(*begin, zone=zone), ns(*end, zone=zone))


def test_a_day_in_spring_is_shorter():
    """The day on which summer time begins has 23 hours."""
    day = Calendar(datetime.fromisoformat("2026-01-01"), BERLIN, 1, "d")
    now = ns(2026, 3, 29, 12, zone=BERLIN)
    assert day.end_ns(now) - day.begin_ns(now) == 23 * HOUR_NS


def test_rolling_windows_move_on():
    """A rolling window begins its length ago, and has no end."""
    window = Rolling(30 * DAY_NS)
    assert (window.begin_ns(31 * DAY_NS), window.end_ns(31 * DAY_NS)) == (DAY_NS, None)
    assert str(window) == "30d rolling"


def test_spans_in_words():
    """A duration is written in the largest unit that gives a whole number."""
    assert [show_span(one) for one in (30 * DAY_NS, 36 * HOUR_NS, 90 * MINUTE_NS, 10**10)] == [
        "30d",
        "36h",
        "90m",
        "10s",
    ]
    assert str(Calendar(datetime.fromisoformat("2026-01-01"), UTC, 1, "M")) == "1M by the calendar of UTC"
