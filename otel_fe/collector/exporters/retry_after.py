"""The header `Retry-After`: seconds, or an HTTP date (RFC 9110, 10.2.3)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from otel_fe.units import NS_PER_S

_LONGEST_DIGITS: Final = 9


def asked_ns(header: str | None, now_ns: int) -> int:
    """Return the wait in the header; 0 where it is absent, or cannot be read.

    Args:
        header: Its value.
        now_ns: Unix time.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:_LONGEST_DIGITS]) * NS_PER_S
    try:
        return max(round(parsedate_to_datetime(text).timestamp() * NS_PER_S) - now_ns, 0)
    except (ValueError, OverflowError):
        return 0
