"""Finds the names that a frame's instruction calls, for waits that the system names as a lock, or not at all."""

from __future__ import annotations

import dis
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

_MOST_BYTES: Final = 20_000
_MOST_KNOWN: Final = 2_048
WITH: Final = "with"
"""Represents the entry of a `with` block."""

_SHIFTED: Final = {"LOAD_GLOBAL"} if sys.version_info < (3, 12) else {"LOAD_GLOBAL", "LOAD_ATTR"}
"""Instructions whose argument keeps a flag in its lowest bit, in this version."""
_NAMED: Final = {
    dis.opmap[name]: int(name in _SHIFTED and sys.version_info >= (3, 11))
    for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD")
    if name in dis.opmap
}
_ENDS: Final = {
    dis.opmap[name]
    for name in ("POP_TOP", "STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")
    if name in dis.opmap
}
_WITH: Final = {dis.opmap[name] for name in ("BEFORE_WITH", "SETUP_WITH") if name in dis.opmap}

_known: dict[tuple[str, int, str, int], frozenset[str]] = {}


def names_at(frame: FrameType) -> frozenset[str]:
    """Return the names that the statement a frame is in has loaded so far; that of what it calls is among them."""
    code, at = frame.f_code, frame.f_lasti
    key = code.co_filename, code.co_firstlineno, code.co_name, at
    known = _known.get(key)
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[key] = _names(code, at)
    return known


def _names(code: CodeType, at: int) -> frozenset[str]:
    raw, names = code.co_code, code.co_names
    if not 0 <= at < len(raw) <= _MOST_BYTES:
        return frozenset()
    found: set[str] = set()
    extended = 0
    for place in range(0, at + 2, 2):
        operation, argument = raw[place], raw[place + 1] | extended
        extended = argument << 8 if operation == dis.EXTENDED_ARG else 0
        shift = _NAMED.get(operation)
        if shift is not None:
            found.add(names[argument >> shift])
        elif operation in _ENDS and place < at:
            found.clear()
    if raw[at] in _WITH:
        found.add(WITH)
    return frozenset(found)
