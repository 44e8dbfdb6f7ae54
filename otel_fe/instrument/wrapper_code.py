"""The source position that a wrapper reports.

`joblib.Memory.cache` finds the source of a function by its code's file and line, to discard results of an older version. A wrapper
that names its own file would look unchanged for ever, and the cache would answer with results of code that has been edited.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType

_UNIT_BYTES: Final = 2
"""Bytes of an instruction and its argument."""


def placed_at(code: CodeType, original: CodeType) -> CodeType:
    """Return a wrapper's code as if it stood in the first line of the original, in its file."""
    return code.replace(
        co_filename=original.co_filename,
        co_firstlineno=original.co_firstlineno,
        co_linetable=_one_line(len(code.co_code) // _UNIT_BYTES),
    )


def is_wrapper(code: CodeType) -> bool:
    """Return whether a code object is that of a wrapper, whatever source position it reports."""
    return code.co_name == "wrapper" and "__otel_fe_wrapped__" in code.co_names


def _one_line(units: int) -> bytes:
    """Return a line table by which every instruction is on the first line (CPython, Objects/locations.md)."""
    table = bytearray()
    if sys.version_info < (3, 11):
        while units > 0:
            some = min(units, 127)
            table += bytes((some * _UNIT_BYTES, 0))  # an unsigned distance in bytes, and a signed one in lines
            units -= some
        return bytes(table)
    while units > 0:
        some = min(units, 8)
        table += bytes((0x80 | 13 << 3 | some - 1, 0))  # no columns, and a signed distance in lines
        units -= some
    return bytes(table)
