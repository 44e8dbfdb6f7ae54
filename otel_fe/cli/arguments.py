"""Types of arguments: each returns a value, or raises an error that names a valid one."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING, Final

from otel_fe.config.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_PORTS: Final = 65_535
_LONGEST_DIGITS: Final = 18
"""More are no number that anything here can be; Python refuses to read very many."""


def number(more_than: float, at_most: float, example: str) -> Callable[[str], float]:
    """Return the type of numbers in a range.

    Args:
        more_than: The lower bound, exclusive.
        at_most: The upper bound, inclusive.
        example: One that is right, for the message.
    """

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number; for example {example}") from None
        if not (math.isfinite(value) and more_than < value <= at_most):
            raise argparse.ArgumentTypeError(
                f"{text}: use more than {more_than:g} and at most {at_most:g}, for example {example}"
            )
        return value

    return read


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return the type of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        digits = text.strip().removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST_DIGITS:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: use {least} to {most}")
        return value

    return read


port: Final = whole_number(0, _PORTS)
"""The type of ports: 0 to 65535, 0 for a free one."""


def duration_ns(text: str) -> int:
    """Return a duration such as `1h` or `90s`, in ns."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; for example 1h, 30m or 90s") from None
    if found <= 0:
        raise argparse.ArgumentTypeError(f"{text}: use more than 0, for example 1h or 30m")
    return found


def trace_id(text: str) -> int:
    """Return the trace id that 32 hexadecimal digits are."""
    digits = text.strip()
    if not re.fullmatch("[0-9a-fA-F]{32}", digits):
        raise argparse.ArgumentTypeError(f"{text}: use 32 hexadecimal digits, as a trace id has")
    return int(digits, 16)
