"""Bounds of answers, so that none fills an assistant's context: rows, lengths of texts, and total size."""

from __future__ import annotations

import json
from typing import Any, Final

MOST_ROWS: Final = 20
"""Rows of any list."""
MOST_TEXT: Final = 400
"""Characters of any text."""
MOST_BYTES: Final = 32_000
"""Bytes of an answer as JSON."""


def bounded(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer within the bounds; `left_out` has the number of omitted rows, by list."""
    left_out: dict[str, int] = {}
    found = _bounded(answer, "", left_out)
    rows = MOST_ROWS
    while len(json.dumps(found)) > MOST_BYTES and rows > 1:
        rows //= 2
        left_out = {}
        found = _bounded(answer, "", left_out, rows)
    return {**found, "left_out": left_out} if left_out else found


def _bounded(value: Any, path: str, left_out: dict[str, int], rows: int = MOST_ROWS) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MOST_TEXT else value[: MOST_TEXT - 1] + "…"
    if isinstance(value, dict):
        return {key: _bounded(one, f"{path}.{key}".lstrip("."), left_out, rows) for key, one in value.items()}
    if isinstance(value, list):
        if len(value) > rows:
            left_out[path] = left_out.get(path, 0) + len(value) - rows
        return [_bounded(one, path, left_out, rows) for one in value[:rows]]
    return value
