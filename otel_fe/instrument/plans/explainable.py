"""Statements that may be explained, and plans without values."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 20_000
_LONGEST_PLAN: Final = 4_000
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_READS: Final = re.compile(r"\s*\(?\s*(?:SELECT|WITH)\b", re.IGNORECASE)
_WRITES: Final = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO)\b|\bFOR\s+(?:KEY\s+)?SHARE\b", re.IGNORECASE)
"""Keywords of statements that write, also within a WITH, and of row locks."""
_PYFORMAT: Final = re.compile(r"%\((\w+)\)s|%(s)|%(%)")
_NUMBERED: Final = re.compile(r"\$(\d{1,4})\b")
_COST: Final = re.compile(r"\s+\(cost=.*\)$")
_VALUE: Final = re.compile(r"'(?:[^']|'')*'|(?<![\w.\"$])[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w\"])")
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")


def may_be_explained(statement: str) -> bool:
    """Return whether a statement certainly only reads; an unusual statement does not count as such.

    EXPLAIN without ANALYZE executes nothing, whatever the statement; in addition, statements that would lock rows and texts of
    several statements are not sent.
    """
    if len(statement) > _LONGEST or ";" in statement or "\\" in statement or re.search(r"\$(?!\d)", statement):
        return False
    bare = _QUOTED.sub("''", _COMMENT.sub(" ", statement))
    if "/*" in bare or "*/" in bare or bare.count("'") % 2 or '"' in bare:
        return False
    return _READS.match(bare) is not None and _WRITES.search(bare) is None


def numbered(statement: str) -> tuple[str, int]:
    """Return a statement of a PostgreSQL driver with `$1`, `$2`, … for its parameters, and their number."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        if found[3]:
            return "%"
        name = found[1] or f"\0{len(names)}"
        return f"${names.setdefault(name, len(names) + 1)}"

    known = [int(one) for one in _NUMBERED.findall(statement)]
    if known:
        return statement, max(known)
    return _PYFORMAT.sub(number, statement), len(names)


def parameters_in(statement: str) -> int:
    """Return the number of parameters (`?`) of a statement for SQLite."""
    return _QUOTED.sub("''", _COMMENT.sub(" ", statement)).count("?")


def without_values(plan: str) -> str:
    """Return a plan of PostgreSQL without the values in its conditions; estimates of cost and rows stay."""
    lines = []
    for line in plan.splitlines():
        cost = _COST.search(line)
        what = line if cost is None else line[: cost.start()]
        head, colon, condition = what.partition(": ")
        hidden = f"{head}{colon}{_VALUE.sub('?', condition)}" if colon else _TEXT.sub("?", what)
        lines.append(hidden if cost is None else hidden + cost[0])
    return shortened("\n".join(lines))


def shortened(plan: str) -> str:
    """Return a plan that is not longer than a span should carry."""
    return plan if len(plan) <= _LONGEST_PLAN else plan[:_LONGEST_PLAN].rsplit("\n", 1)[0] + "\n…"
