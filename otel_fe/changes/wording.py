"""Formats a comparison in words: `p95 +18 ms, of it CPU +16 in resize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.changes.comparison import BeforeAndAfter
    from otel_fe.changes.weighted import Difference

_MOST_CAUSES: Final = 2


def said(compared: BeforeAndAfter, names: Mapping[str, str], lines: Mapping[str, str] | None = None) -> str:
    """Return what a change did, in a line: what is significant, and otherwise that nothing is.

    Args:
        compared: Before against after.
        names: Of causes, for people.
        lines: Where each cause's time goes after the change, as far as that is known.
    """
    if compared.p95.significant:
        text = f"p95 {signed_ms(compared.p95.value)}"
        parts = [one for one in compared.causes if one.change.significant][:_MOST_CAUSES]
        if parts:
            text += ", of it " + ", ".join(
                f"{names.get(one.cause, one.cause)} {signed_ms(one.change.value)}{_where(one.cause, lines)}"
                for one in parts
            )
        return text
    if compared.mean.significant:
        return f"mean {signed_ms(compared.mean.value)}; p95 did not change beyond chance"
    return f"no difference beyond chance: p95 {signed_ms(compared.p95.value)} ({interval_ms(compared.p95)})"


def verified(predicted_ns: float, measured: Difference) -> str:
    """Return the prediction and the measurement in words: `predicted -8.0 ms, measured -7.1 ms (-9.0 to -5.2 ms)`."""
    return f"predicted {signed_ms(predicted_ns)}, measured {signed_ms(measured.value)} ({interval_ms(measured)})"


def interval_ms(change: Difference) -> str:
    """Write the 95 % interval of a difference given in ns."""
    return f"{signed_ms(change.low, unit='')} to {signed_ms(change.high)}"


def signed_ms(value_ns: float, unit: str = " ms") -> str:
    """Write a difference in ms, with its sign and at most two digits behind the point."""
    value = value_ns / 1e6
    text = f"{abs(value):.2g}" if abs(value) < 1 else f"{abs(value):.1f}" if abs(value) < 10 else f"{abs(value):.0f}"  # noqa: PLR2004
    sign = "+" if value > 0 else "−" if value < 0 else "±"  # noqa: RUF001 a minus sign
    return f"{sign}{text}{unit}"


def _where(cause: str, lines: Mapping[str, str] | None) -> str:
    line = (lines or {}).get(cause, "")
    return f" in {line}" if line else ""
