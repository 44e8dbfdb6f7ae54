"""Dashboard data as documents: JSON, CSV with a row for each figure, and an HTML page that needs nothing else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from enum import Enum
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard import quantity
from otel_fe.dashboard.answer import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMATS: Final = ("json", "csv", "html")
_UNITS: Final = (
    ("_unix_s", "s since 1970"),
    ("_time_ns", "ns since 1970"),
    ("_ms", "ms"),
    ("_ns", "ns"),
    ("_per_s", "1/s"),
    ("per_s", "1/s"),
    ("_mb", "MB"),
    ("_bytes", "bytes"),
    ("_percent", "%"),
    ("_ratio", "ratio 0..1"),
    ("_rate", "ratio 0..1"),
    ("_s", "s"),
    ("hours", "h"),
    ("points", "points 0..100"),
    ("score", "points 0..100"),
    ("confidence", "ratio 0..1"),
    ("weight", "ratio 0..1"),
)
"""By the end of a name, the first that fits."""
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")


def written(data: Any, kind: str, title: str = "Feature extraction") -> str:
    """Return data in one of `FORMATS`."""
    told = plain(_without_enums(data))
    if kind == "json":
        return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
    rows = list(_rows(told, ""))
    return _csv(rows) if kind == "csv" else _html(told, title)


def _without_enums(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _without_enums(found) for key, found in value.items()}
    return [_without_enums(one) for one in value] if isinstance(value, (list, tuple)) else value


def _rows(value: Any, name: str) -> Iterable[tuple[str, Any, str]]:
    if isinstance(value, dict):
        for key, found in value.items():
            yield from _rows(found, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for number, found in enumerate(value):
            yield from _rows(found, f"{name}.{number}")
    else:
        yield name, value, _unit(name) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def _unit(name: str) -> str:
    last = name.rpartition(".")[2]
    return next((unit for end, unit in _UNITS if last.endswith(end)), "")


def _csv(rows: Iterable[tuple[str, Any, str]]) -> str:
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(("figure", "value", "unit"))
    for name, value, unit in rows:
        # A text that begins like a formula is one to a spreadsheet.
        told = f"'{value}" if isinstance(value, str) and value.startswith(_DANGEROUS) else value
        out.writerow((f"'{name}" if name.startswith(_DANGEROUS) else name, "" if told is None else told, unit))
    return text.getvalue()


def _html(data: dict[str, Any], title: str) -> str:
    style = files("otel_fe.dashboard").joinpath("static").joinpath("report.css").read_text(encoding="utf-8")
    parts = [_section(name, value) for name, value in data.items() if isinstance(value, (dict, list))]
    heads = "".join(_line(name, value) for name, value in data.items() if not isinstance(value, (dict, list)))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{style}</style></head>'
        f"<body><h1>{escape(title)}</h1><table>{heads}</table>{''.join(parts)}</body></html>\n"
    )


def _section(name: str, value: Any, depth: int = 2) -> str:
    head = f"<h{min(depth, 6)}>{escape(_words(name))}</h{min(depth, 6)}>"
    if not value:
        return f"{head}<p>none</p>"
    if isinstance(value, list):
        return head + _table(value, depth)
    single = {key: found for key, found in value.items() if not isinstance(found, (dict, list))}
    many = {key: found for key, found in value.items() if isinstance(found, (dict, list))}
    lines = "".join(_line(key, found) for key, found in single.items())
    return (
        head
        + (f"<table>{lines}</table>" if lines else "")
        + "".join(_section(key, found, depth + 1) for key, found in many.items())
    )


def _table(values: list[Any], depth: int) -> str:
    if not all(isinstance(one, dict) for one in values):
        return "<ul>" + "".join(f"<li>{escape(_shown('', one))}</li>" for one in values) + "</ul>"
    names = [name for name, found in values[0].items() if not isinstance(found, (dict, list))]
    head = "".join(f'<th scope="col">{escape(_words(name))}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(name, one.get(name)))}</td>" for name in names) + "</tr>"
        for one in values
    )
    del depth
    return f"<table><tr>{head}</tr>{body}</table>"


def _line(name: str, value: Any) -> str:
    return f'<tr><th scope="row">{escape(_words(name))}</th><td>{escape(_shown(name, value))}</td></tr>'


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _shown(name: str, value: Any) -> str:
    """Return a value with its unit."""
    if value is None:
        return "–"  # noqa: RUF001 a dash is what is shown
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    unit = _unit(name)
    if unit.startswith("ratio"):
        return quantity.percent(float(value))
    if unit.endswith("since 1970"):
        return quantity.clock_time(value * 1e9 if unit.startswith("s ") else value)
    if unit == "ns":
        return quantity.duration(value)
    return f"{value:.6g} {unit.split(' ', 1)[0]}".rstrip()
