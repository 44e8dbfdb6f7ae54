"""Redacts credentials in messages, logs and reports: user names and passwords in URLs, values in their queries."""

from __future__ import annotations

import re
from typing import Final

_HIDDEN: Final = "***"
_IN_URL: Final = re.compile(r"(?<=://).*@", re.DOTALL)
"""Up to the last `@`: a password that should have been encoded may hold `/`, `?`, `@` and blanks."""
_WITHOUT_SCHEME: Final = re.compile(r"[^\s/@]+:\S*@(?=\S)")
_QUERY: Final = re.compile(r"(?<=[?&])([^=&\s?#'\"]+)=[^&\s#'\")]+")
_IN_TEXT: Final = re.compile(r"(?<=://)[^\s'\"]*@|(?<![\w/])[\w.+-]+:[^\s'\":/@]+@(?=[\w\[])")


def redact_value(value: str) -> str:
    """Return one setting's value without the credentials in it, for a message that shows it.

    `https://user:secret@host/v1?key=abc` becomes `https://***@host/v1?key=***`.
    """
    if "@" in value:
        pattern = _IN_URL if "://" in value else _WITHOUT_SCHEME
        value = pattern.sub(f"{_HIDDEN}@", value)
    return _without_query(value)


def redact_text(text: str) -> str:
    """Return a sentence of another library's without the credentials in URLs that it quotes."""
    return _without_query(_IN_TEXT.sub(f"{_HIDDEN}@", text))


def _without_query(text: str) -> str:
    if "://" not in text and "url:" not in text:
        return text
    return _QUERY.sub(rf"\1={_HIDDEN}", text)
