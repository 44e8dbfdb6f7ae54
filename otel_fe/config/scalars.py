"""The types of plain YAML scalars by the Collector's rules (go-yaml v3), which are neither YAML 1.1's nor quite 1.2's.

`yes` and `on` are strings, `1:30` is a string, `010` and `0o10` are eight, `1e3` is a float, `100_000` an integer.
"""

from __future__ import annotations

import math
import re
from typing import Final

Value = str | int | float | bool | None
"""A scalar's value."""

_WORDS: Final[dict[str, Value]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGERS: Final = (
    (re.compile(r"[-+]?(0|[1-9][0-9]*)"), 10),
    (re.compile(r"[-+]?0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"[-+]?0[oO]?([0-7]+)"), 8),
    (re.compile(r"[-+]?0[bB]([01]+)"), 2),
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1
_LONGEST_INTEGER: Final = 70  # 64 binary digits with sign and prefix; Python converts no number of arbitrary length


def resolve(text: str) -> Value:
    """Return the value of a plain (not quoted) scalar; never fails, since anything else is a string."""
    if text in _WORDS:
        return _WORDS[text]
    if not text or text[0] not in "+-.0123456789":
        return text
    plain = text.replace("_", "")
    integer = _integer(plain)
    if integer is not None:
        return integer
    # go-yaml keeps underscores in what starts with a full stop, where they make it a string.
    if _FLOAT.fullmatch(text if text[0] == "." else plain):
        return _float(plain, text)
    return text


def _integer(plain: str) -> int | None:
    for pattern, base in _INTEGERS:
        match = pattern.fullmatch(plain) if len(plain) <= _LONGEST_INTEGER else None
        if match is not None:
            number = int(match[1], base) * (-1 if plain[0] == "-" else 1)
            return number if _SMALLEST <= number <= _LARGEST else None
    return None


def _float(plain: str, text: str) -> Value:
    number = float(plain)
    return text if math.isinf(number) else number  # out of range is not a number to Go
