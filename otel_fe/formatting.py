"""Formats numbers for people, the same on pages, in commands and in alerts: rounded, and always with their unit.

Measured values have three significant digits, and whole numbers from 1 000 on in groups: `9.53 ms`, `231 ms`, `1.25 s`, `12.4 GB`.
There are two styles of time. `milliseconds` is for latencies: they are compared with each other and with a limit in ms, so the
unit stays ms below a second; `duration` chooses the unit, for axes and single times. How long a state lasted is `elapsed`: its
two largest units, rounded down, since `3 h 5 min` is read more easily than `3.08 h`.

Sizes are in powers of a thousand (`kB`, `MB`, `GB`), as the memory requirement and most tools have them: `size`. Only beside a
setting in MiB, such as `limit_mib`, is a size in MiB too, so that the two can be compared: `mebibytes`.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Final

from otel_fe.units import DAY_S, HOUR_S, MIB, MINUTE_S, NS_PER_S

_NONE: Final = "–"  # noqa: RUF001 a dash is what is shown
_BYTES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_TIMES: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
_WHOLE_FROM_S: Final = 10.0
_THIN: Final = "\u202f"  # narrow no-break space


def duration(value_ns: float | None) -> str:
    """Write nanoseconds: `231 ms`, `1.2 s`, `84 µs`; a dash for None."""
    if value_ns is None or not math.isfinite(value_ns):
        return _NONE
    for size, unit in _TIMES:
        if abs(value_ns) >= size:
            return f"{_short(value_ns / size)} {unit}"
    # Nothing is nothing in every unit; "0 ns" beside seconds reads as another axis.
    return f"{value_ns:.0f} ns" if value_ns else "0 ms"


def elapsed(seconds: float | None) -> str:
    """Write how long something lasted: `2.5 s`, `119 s`, `1 min`, `12 min`, `3 h 5 min`, `2 d 4 h`; a dash for None.

    Below two minutes seconds are exact, so they are not rounded down to a minute.
    """
    if seconds is None:
        return _NONE
    whole = max(0, round(seconds))
    if whole < 2 * MINUTE_S and whole != MINUTE_S:
        return f"{_short(max(0.0, seconds))} s" if whole < _WHOLE_FROM_S else f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min"
    large, small, names = (DAY_S, HOUR_S, ("d", "h")) if whole >= DAY_S else (HOUR_S, MINUTE_S, ("h", "min"))
    rest = whole % large // small
    return f"{whole // large} {names[0]}" + (f" {rest} {names[1]}" if rest else "")


def milliseconds(value_ns: float | None) -> str:
    """Write nanoseconds in ms, so that a column can be compared at a glance; from a second on in s, as axes are."""
    if value_ns is None:
        return _NONE
    return duration(value_ns) if abs(value_ns) >= NS_PER_S else f"{_short(value_ns / 1e6)} ms"


def signed_milliseconds(value_ns: float) -> str:
    """Write a difference: `+38 ms`."""
    return f"{'+' if value_ns >= 0 else '−'}{milliseconds(abs(value_ns))}"  # noqa: RUF001 a minus sign


def percent(ratio: float | None) -> str:
    """Write a ratio 0..1 in per cent; a dash for None."""
    if ratio is None or not math.isfinite(ratio):
        return _NONE
    value = ratio * 100
    # 99.96 % is not all of it, and 0.04 % is not nothing.
    digits = 2 if 0 < abs(value) < 1 or 99 < value < 100 else 1  # noqa: PLR2004
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") + " %"


def count(value: float | None, noun: str = "") -> str:
    """Write a number of things, with its digits in groups."""
    if value is None:
        return _NONE
    text = f"{value:,.0f}" if abs(value - round(value)) < 0.005 else f"{value:,.1f}"  # noqa: PLR2004
    return text.replace(",", _THIN) + (f" {noun}" if noun else "")


def rate(per_s: float | None) -> str:
    """Write how many a second."""
    return _NONE if per_s is None else f"{_short(per_s)} /s"


def size(value_bytes: float | None) -> str:
    """Write bytes in powers of a thousand: `419 MB`, `1.25 GB`; a dash for None."""
    if value_bytes is None:
        return _NONE
    for unit_bytes, unit in _BYTES:
        if abs(value_bytes) >= unit_bytes:
            return f"{_short(value_bytes / unit_bytes)} {unit}"
    return f"{value_bytes:.0f} B"


def mebibytes(value_bytes: float) -> str:
    """Write bytes beside a setting in MiB: `400 MiB`."""
    return f"{value_bytes / MIB:.4g} MiB"


def weight(value: float | None) -> str:
    """Format the weight of a trace."""
    return "unknown" if value is None else f"×{value:.4g}"  # noqa: RUF001 a multiplication sign


def iso(time_ns: float) -> str:
    """Write a Unix time as a machine reads it; the page's script shows it in the reader's zone."""
    try:
        return datetime.fromtimestamp(time_ns / 1e9, timezone.utc).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00.000+00:00"


def clock_time(time_ns: float) -> str:
    """Format a Unix time for pages without a script: in UTC, named as such."""
    return iso(time_ns)[:19].replace("T", " ") + " UTC"


def _short(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 1000:  # noqa: PLR2004
        return f"{value:,.0f}".replace(",", _THIN)
    return f"{value:.0f}" if magnitude >= 100 else f"{value:.3g}"  # noqa: PLR2004
