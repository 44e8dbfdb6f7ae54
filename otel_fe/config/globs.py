"""Patterns for dotted names, as `span_metrics` has them: `*` within one part, `**` over several, `?`, `[a-z]`, `{a,b}`.

They are those of the Go package gobwas/glob with `.` as the separator, which the Collector uses.
"""

from __future__ import annotations

import functools
import re


class GlobError(ValueError):
    """A pattern that cannot be used; the message says why."""


@functools.lru_cache(maxsize=1_024)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern; use `fullmatch`.

    Raises:
        GlobError: A bracket or brace is not closed, or it is one of those that the Collector's library is unsure of.
    """
    out: list[str] = []
    braces = 0
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if pattern.startswith(("***", "{}", "{,", ",,", ",}"), at - 1):
            raise GlobError(f"{pattern[at - 1 : at + 2]} is ambiguous")  # the Collector's library errs on it
        if pattern.startswith("**", at - 1):
            at += 1
            out.append(".*")
        elif character in "*?":
            out.append("[^.]*" if character == "*" else "[^.]")
        elif character == "\\":
            out.append(re.escape(pattern[at : at + 1]))
            at += 1
        elif character == "[":
            end = pattern.find("]", at)
            out.append(_characters(pattern[at:end] if end > at else ""))
            at = end + 1
        elif character == "{":
            braces += 1
            out.append("(?:")
        elif character == "}" and braces:
            braces -= 1
            out.append(")")
        else:
            out.append("|" if character == "," and braces else re.escape(character))
    if braces:
        raise GlobError("a { is never closed")
    return re.compile("".join(out), re.DOTALL)


def _characters(inside: str) -> str:
    negated = inside.startswith("!")
    members = inside[negated:]
    low, dash, high = members[:1], members[1:2], members[2:]
    if dash == "-" and len(high) == 1 and low <= high:
        return f"[{'^' if negated else ''}{re.escape(low)}-{re.escape(high)}]"
    if not members or set(members) & set("[-\\"):
        raise GlobError("a [ needs one range, or characters other than [, - and \\, and a ]")
    return f"[{'^' if negated else ''}{re.escape(members)}]"
