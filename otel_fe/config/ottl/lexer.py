"""Splits the text of a condition into tokens.

The order of the rules is OTTL's and matters: the first that matches wins, however much the next would match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from otel_fe.config.ottl.refusal import RefusalError

_RULES: Final = (
    ("bytes", r"0x[a-fA-F0-9]+"),
    ("float", r"(?:\d+\.\d*|\d*\.\d+)(?:[eE][-+]?\d+)?"),
    ("int", r"\d+"),
    ("string", r'"(?:\\.|[^\\"])*"'),
    ("word", r"(?:nil|not|or|and|true|false)\b"),
    ("comparison", r"==|!=|>=|<=|>|<"),
    ("arrow", r"=>"),
    ("sign", r"[+\-]"),
    ("product", r"[/*]"),
    ("punctuation", r"[=(){}:,.\[\]]"),
    ("upper", r"[A-Z][A-Z0-9_]*"),
    ("lower", r"[a-z][a-z0-9_]*"),
    ("space", r"[\t\n\f\r ]+"),
    ("underscore", r"_\b"),
)
_TOKEN: Final = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _RULES), re.ASCII)
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<simple>[abfnrtv\\\"])|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})"
    r"|(?P<octal>[0-3][0-7]{2}))|\\(?P<bad>.?)",
    re.DOTALL,
)
_SIMPLE: Final = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text."""

    kind: str
    """The name of the rule; `end` behind the last one."""
    text: str
    """The token as written; of a string, its value."""
    offset: int
    """Offset of the first character, from 0."""
    source: str = ""
    """The string as written; empty for other tokens."""

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else self.source or repr(self.text)


def tokens(text: str) -> list[Token]:
    """Split `text`; the last token is of the kind `end`.

    Raises:
        RefusalError: A character starts no token, or a string has an escape that does not exist.
    """
    found: list[Token] = []
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise RefusalError(offset, _stray(text[offset]))
        kind, source = match.lastgroup or "", match[0]
        if kind == "string":
            found.append(Token(kind, _unquoted(source, offset), offset, source))
        elif kind != "space":
            found.append(Token(kind, source, offset))
        offset = match.end()
    return [*found, Token("end", "", len(text))]


def _stray(character: str) -> str:
    if character == '"':
        return 'this string has no closing "'
    hint = {
        "'": '; strings are written with "',
        "!": "; it is written `not`, or `!=`",
        "&": "; it is written `and`",
        "|": "; it is written `or`",
    }.get(character, "")
    return f"found {character!r}, which means nothing in a condition{hint}"


def _unquoted(source: str, offset: int) -> str:
    def character(escape: re.Match[str]) -> str:
        if escape["simple"]:
            return _SIMPLE[escape["simple"]]
        code = (
            int(escape["octal"], 8) if escape["octal"] else int(escape["x"] or escape["u"] or escape["U"] or "d800", 16)
        )
        # A surrogate is no character, and `bad` was made one above.
        if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:  # noqa: PLR2004
            at = offset + 1 + escape.start()
            hint = f"; a backslash for a pattern is written twice: \\{escape[0]}" if escape["bad"] else ""
            raise RefusalError(at, f"found {escape[0]}, which is not an escape sequence{hint}")
        return chr(code)

    return _ESCAPE.sub(character, source[1:-1])
