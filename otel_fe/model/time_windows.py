"""The windows that objectives are for: the last so many days, or the current month by a calendar."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from otel_fe.units import DAY_NS, HOUR_NS, MINUTE_NS

if TYPE_CHECKING:
    from datetime import tzinfo

UNITS_NS: Final = {"m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}
"""The duration of OpenSLO's fixed units."""
MONTHS: Final = {"M": 1, "Q": 3, "Y": 12}
"""The meaning of its other units."""
_MONTH_NS: Final = 30 * DAY_NS
_YEAR_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Rolling:
    """The last `length_ns`."""

    length_ns: int

    def begin_ns(self, now_ns: int) -> int:
        """Return when the window that ends now began, as Unix time."""
        return now_ns - self.length_ns

    def end_ns(self, now_ns: int) -> int | None:
        """Return when the window's budget is renewed: never, the window moves on with the time."""
        del now_ns
        return None

    def __str__(self) -> str:
        return f"{show_span(self.length_ns)} rolling"


@dataclass(frozen=True, slots=True)
class Calendar:
    """The current one of consecutive periods; days and months are those of a time zone's clock and calendar."""

    start: datetime
    """Of the first period, without a zone."""
    zone: tzinfo
    count: int
    """Of `unit`."""
    unit: str
    """`d` or `w` (by the clock on the wall), `M`, `Q` or `Y`; also `m` or `h`."""

    @property
    def length_ns(self) -> int:
        """About how long a period lasts; a month counts as 30 days, so that rules made from it stay the same."""
        return self.count * (MONTHS[self.unit] * _MONTH_NS if self.unit in MONTHS else UNITS_NS[self.unit])

    def begin_ns(self, now_ns: int) -> int:
        """Return when the period that holds `now_ns` began, as Unix time; periods reach back before the first."""
        return self._unix_ns(self._number(now_ns))

    def end_ns(self, now_ns: int) -> int | None:
        """Return when the next period begins, with a new budget."""
        return self._unix_ns(self._number(now_ns) + 1)

    def _number(self, now_ns: int) -> int:
        """Return which period holds an instant: estimated by its usual length, then corrected."""
        number = (now_ns - self._unix_ns(0)) // self.length_ns
        while self._unix_ns(number) > now_ns:
            number -= 1
        while self._unix_ns(number + 1) <= now_ns:
            number += 1
        return number

    def _unix_ns(self, number: int) -> int:
        return _unix_ns(self._local(number).replace(tzinfo=self.zone))

    def _local(self, number: int) -> datetime:
        by = number * self.count
        if self.unit not in MONTHS:
            return self.start + timedelta(microseconds=by * UNITS_NS[self.unit] // 1_000)
        months = self.start.year * _YEAR_MONTHS + self.start.month - 1 + by * MONTHS[self.unit]
        year, month = divmod(months, _YEAR_MONTHS)
        # The 31st of a shorter month is its last day; counted from the first period, so that it comes back.
        day = min(self.start.day, calendar.monthrange(year, month + 1)[1])
        return self.start.replace(year=year, month=month + 1, day=day)

    def __str__(self) -> str:
        return f"{self.count}{self.unit} by the calendar of {self.zone}"


Window = Rolling | Calendar
"""The window of an objective."""


def show_span(nanoseconds: int) -> str:
    """Write a length of time in its largest unit that gives a whole number of at most days: `30d`, `1h`, `90m`, `10s`."""
    for unit in ("d", "h", "m"):
        if nanoseconds % UNITS_NS[unit] == 0:
            return f"{nanoseconds // UNITS_NS[unit]}{unit}"
    return f"{nanoseconds // 1_000_000_000}s"


def _unix_ns(instant: datetime) -> int:
    since = instant - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
