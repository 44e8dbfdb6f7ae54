"""Numbers and bools in text, as Go reads them: stricter than Python in some ways and laxer in others."""

from __future__ import annotations

import math
import re
from typing import Final

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

_DIGITS: Final = r"[0-9](?:_?[0-9])*"
_DECIMAL: Final = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX_DIGITS: Final = r"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_HEXADECIMAL: Final = re.compile(
    rf"[+-]?0[xX]_?(?:{_HEX_DIGITS}\.?(?:{_HEX_DIGITS})?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}"
)
_SPECIAL: Final = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE | re.ASCII)
_INT: Final = re.compile(r"[+-]?[0-9]+")
_MOST_CHARACTERS: Final = 4300  # what Python reads of an int; anything near it is far out of range
_TRUE: Final = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "false", "FALSE", "False"))


def parse_int(text: str) -> int:
    """Read a decimal int of 64 bits.

    Raises:
        ValueError: The text is no int of 64 bits.
    """
    if not _INT.fullmatch(text) or len(text.lstrip("+-0")) > _MOST_CHARACTERS:
        raise ValueError(f"{text!r} is not a whole number")
    number = int(text.lstrip("+-0") or "0")
    number = -number if text.startswith("-") else number
    if not INT64_MIN <= number <= INT64_MAX:
        raise ValueError(f"{text!r} does not fit in 64 bits")
    return number


def parse_float(text: str) -> float:
    """Read a float: decimal, hexadecimal with a `p` exponent, `inf` or `nan`.

    Raises:
        ValueError: The text is no float, or out of range.
    """
    if _SPECIAL.fullmatch(text):
        return float(text)
    try:
        if _DECIMAL.fullmatch(text):
            number = float(text)
        elif _HEXADECIMAL.fullmatch(text):
            number = float.fromhex(text.replace("_", ""))
        else:
            raise ValueError(f"{text!r} is not a number")
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise ValueError(f"{text!r} is out of range")
    return number


def parse_bool(text: str) -> bool:
    """Read a bool, spelled in one of the twelve ways that Go knows.

    Raises:
        ValueError: The text is neither true nor false.
    """
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")
