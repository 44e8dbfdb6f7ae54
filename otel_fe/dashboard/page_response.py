"""A response of the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from typing import Any, Final

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
SECURITY: Final = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not `no-referrer`: with that, browsers send our own forms with `Origin: null`.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Headers of every answer: no inline script, no inline style, nothing from elsewhere."""


@dataclass(frozen=True, slots=True)
class PageResponse:
    """One answer."""

    status: int
    body: bytes
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    cacheable: bool = False
    """Whether a browser may cache it: static files, never data of the store."""


def json_answer(content: Any, status: int = 200) -> PageResponse:
    """Return any data of a page as JSON."""
    return PageResponse(status, json.dumps(plain(content), ensure_ascii=False, allow_nan=False).encode(), JSON)


def plain(value: Any) -> Any:
    """Return a value with nothing in it that JSON does not have; bytes are left out."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (float, Fraction)):
        number = float(value)
        return number if number - number == 0 else None
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: plain(found)
            for one in fields(value)
            if not isinstance(found := getattr(value, one.name), bytes) and not one.name.startswith("_")
        }
    if isinstance(value, Mapping):
        return {str(key): plain(found) for key, found in value.items() if not isinstance(found, bytes)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value)
