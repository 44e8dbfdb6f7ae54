"""Consistent probability sampling: thresholds, randomness and the `ot` entry of `tracestate`.

Source: OpenTelemetry specification, "TraceState: Probability Sampling" and OTEP 235. A trace is sampled when its 56 bits
of randomness are at least the threshold; its adjusted count is 2**56 / (2**56 - threshold).
"""

from __future__ import annotations

import math
from typing import Final

BITS: Final = 56
HEX_DIGITS: Final = 14
ALWAYS: Final = 0
"""The threshold that samples every trace: adjusted count 1."""
NEVER: Final = 1 << BITS
_PRECISION: Final = 4
_MASK: Final = NEVER - 1


def threshold_of(ratio: float, precision: int = _PRECISION) -> int:
    """Return the threshold that samples `ratio` (0..1) of all traces, to `precision` significant hexadecimal digits.

    Ratios near 0 or 1 get as many digits more as they have leading `f` or `0`, so that the relative error stays
    below 2**-12 with the default of four.
    """
    if ratio >= 1.0:
        return ALWAYS
    if ratio <= 0.0:
        return NEVER
    digits = precision + max(-math.frexp(ratio)[1], -math.frexp(1.0 - ratio)[1], 0) // 4
    exact = NEVER - round(ratio * NEVER)
    shift = 4 * max(0, HEX_DIGITS - digits)
    if not shift:
        return exact
    return ((exact + (1 << (shift - 1))) >> shift) << shift


def adjusted_count(threshold: int) -> float:
    """Return the weight of a trace that was sampled at `threshold`."""
    return NEVER / (NEVER - threshold)


def encode(threshold: int) -> str:
    """Return the value of `th`: hexadecimal, trailing zeros left out, `0` for always."""
    return f"{threshold:014x}".rstrip("0") or "0"


def decode(digits: str) -> int | None:
    """Return the threshold or randomness written as up to 14 hexadecimal digits; None where it is not one."""
    if not 1 <= len(digits) <= HEX_DIGITS or not all(c in "0123456789abcdefABCDEF" for c in digits):
        return None
    return int(digits.ljust(HEX_DIGITS, "0"), 16)


def parse_entry(entry: str) -> dict[str, str]:
    """Return the fields of an `ot` entry (`th:8;rv:…`), in their order; what is not `key:value` is left out."""
    fields: dict[str, str] = {}
    for part in entry.split(";"):
        key, colon, value = part.partition(":")
        if colon and key:
            fields[key] = value
    return fields


def randomness(trace_id: int, entry: str | None = None) -> int:
    """Return a trace's 56 bits of randomness: its `rv` where it has a valid one, else the end of its id."""
    if entry:
        explicit = parse_entry(entry).get("rv", "")
        if len(explicit) == HEX_DIGITS and (value := decode(explicit)) is not None:
            return value
    return trace_id & _MASK
