"""The `timeWindow` of an SLO: rolling, or by the calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.openslo_kinds import given, shorthand, start_time, time_zone
from otel_fe.config.reading import Fields, Key, Section
from otel_fe.model.time_windows import MONTHS, UNITS_NS, Calendar, Rolling

if TYPE_CHECKING:
    from otel_fe.config.reading import Place
    from otel_fe.model.time_windows import Window


def time_window(place: Place) -> Window:
    """Read an item of `timeWindow`.

    Raises:
        Refused: The item is neither a rolling window nor a calendar.
    """
    fields = _WINDOW.fields(place)
    (count, unit), calendar = fields["duration"], fields.get("calendar")
    if calendar is not None:
        return Calendar(calendar["startTime"], calendar["timeZone"], count, unit)
    if unit in MONTHS:
        place.entries()["duration"].refuse("a rolling window has a fixed length: use d or w, for example 30d")
    return Rolling(count * UNITS_NS[unit])


def _check_window(fields: Fields) -> None:
    calendar = given(fields, "calendar")
    rolling = fields.get("isRolling", not calendar)
    if rolling and calendar:
        fields.problem("calendar", "a rolling window has no calendar; remove the calendar, or use isRolling: false")
    if not rolling and not calendar:
        fields.section.problem("give a calendar, or isRolling: true", value=False)


_WINDOW: Final = Section(
    dict[str, Any],
    {
        "duration": Key(shorthand, required="give the duration, for example 30d"),
        "isRolling": Key(kinds.boolean),
        "calendar": Key(
            Section(
                dict[str, Any],
                {
                    "startTime": Key(start_time, required="give the startTime, for example 2026-01-01 00:00:00"),
                    "timeZone": Key(time_zone, required="give the timeZone, for example Europe/Berlin"),
                },
            )
        ),
    },
    _check_window,
)
