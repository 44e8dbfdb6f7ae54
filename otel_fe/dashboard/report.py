"""Figures as files: JSON, CSV with one row for each group and step, and an HTML page that needs nothing else.

Tables are tidy: one kind of thing in a row, the unit in each column's heading, times in ISO 8601.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting
from otel_fe.dashboard.page_response import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS: Final = ("json", "csv", "html")
Cell = str | int | float | bool | None
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")
_LONG: Final = 40
"""Characters; a longer text is wrapped."""
_DIGITS: Final = {"csv": 9, "html": 4}
"""Significant ones: more would be noise of binary fractions, fewer would round what is counted."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind."""

    title: str
    columns: Sequence[str]
    """Headings, with their units."""
    rows: Sequence[Sequence[Cell]]
    """None is what is not known."""


@dataclass(frozen=True, slots=True)
class ExportedReport:
    """The content of an export."""

    data: Any
    """Content of the JSON file."""
    figures: Table
    """The CSV file."""
    tables: Sequence[Table]
    """Tables of the HTML page."""
    title: str = "Feature extraction"


def written(document: ExportedReport, kind: str) -> str:
    """Return a document in one of `FORMATS`."""
    if kind == "json":
        told = plain(_without_enums(document.data))
        return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
    return _csv(document.figures) if kind == "csv" else _html(document)


def _without_enums(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _without_enums(found) for key, found in value.items()}
    return [_without_enums(one) for one in value] if isinstance(value, (list, tuple)) else value


def _csv(table: Table) -> str:
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(table.columns)
    for row in table.rows:
        out.writerow([_harmless(_number(cell, "csv")) for cell in row])
    return text.getvalue()


def _harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; a negative number is one that it may calculate with."""
    if not text.startswith(_DANGEROUS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _number(cell: Cell, kind: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        rounded = float(f"{cell:.{_DIGITS[kind]}g}")
        return f"{rounded:.0f}" if rounded.is_integer() else f"{rounded:.12f}".rstrip("0")
    return str(cell)


def _html(document: ExportedReport) -> str:
    style = files("otel_fe.dashboard").joinpath("static").joinpath("report.css").read_text(encoding="utf-8")
    title = escape(document.title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{style}</style></head>'
        f"<body><h1>{title}</h1>{''.join(map(_section, document.tables))}</body></html>\n"
    )


def _section(table: Table) -> str:
    if not table.rows:
        return f"<h2>{escape(table.title)}</h2><p>none</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in table.rows)
    return (
        f"<h2>{escape(table.title)}</h2><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"<td class=n>{formatting.count(cell)}</td>"
    if isinstance(cell, float):
        return f"<td class=n>{_number(cell, 'html')}</td>"
    text = _number(cell, "html")
    wide = " class=w" if len(text) > _LONG else ""
    return f"<td{wide}>{escape(text) or '–'}</td>"  # noqa: RUF001 a dash is what is shown
