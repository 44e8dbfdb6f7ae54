"""The tables of the documentation, generated from the code that they describe: `python -m otel_fe.reference FILE…`."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_fe import alert_event, autopilot_event, process_metrics, semconv
from otel_fe.config import ottl, settings
from otel_fe.instrument import libraries as hooked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def attributes() -> str:
    """Return the table of span attributes."""
    rows = [(f"`{a.name}`", a.type, a.unit, a.meaning) for a in semconv.ATTRIBUTES]
    rows.append((f"`{semconv.ERROR_TYPE}`", "string", "", "Class of the exception; absent where none was raised."))
    rows.append(
        (f"`{semconv.CODE_FUNCTION_NAME}`", "string", "", "The function that was wrapped, qualified by its module.")
    )
    return _table(("attribute", "type", "unit", "meaning"), rows)


def metrics() -> str:
    """Return the table of metrics."""
    rows = [
        (f"`{m.name}`", m.instrument, m.unit, m.meaning, ", ".join(f"`{d}`" for d in m.dimensions))
        for m in (*semconv.METRICS, *process_metrics.METRICS)
    ]
    return _table(("metric", "instrument", "unit", "meaning", "dimensions"), rows)


def variables() -> str:
    """Return the table of settings."""
    meanings = _sentences()
    rows = [
        (f"`{settings.PREFIX}{f.name.upper()}`", f"`{_shown(f.default)}`" if f.default != "" else "", meanings[f.name])
        for f in fields(settings.Settings)
    ]
    return _table(("variable", "default", "meaning"), rows)


def paths() -> str:
    """Return the table of the paths of conditions."""
    rows = [
        (f"`{context}.{name}`", sentence) for context, named in ottl.PATHS.items() for name, sentence in named.items()
    ]
    return _table(("path", "meaning"), rows)


def converters() -> str:
    """Return the table of functions in conditions."""
    rows = [
        (f"`{name}({', '.join(p.name for p in converter.parameters)})`", converter.sentence)
        for name, converter in ottl.CONVERTERS.items()
    ]
    return _table(("converter", "meaning"), rows)


def libraries() -> str:
    """Return the table of libraries whose calls are extractions."""
    # If a library's hooks are in several modules, the one with its name describes it.
    names = dict.fromkeys(
        name for library in hooked.LIBRARIES for name in (library.name.replace("-", "_"), library.hooks)
    )
    found = [name for name in names if importlib.util.find_spec(f"{hooked.__name__}.{name}") is not None]
    modules = [importlib.import_module(f"{hooked.__name__}.{name}") for name in found]
    described = [module.ABOUT for module in modules if hasattr(module, "ABOUT")]
    rows = [
        (f"`{about.library}`", about.extraction, about.children, " and ".join(about.versions)) for about in described
    ]
    return _table(("library", "an extraction is", "its children are", "tested with"), rows)


def alert_attributes() -> str:
    """Return the table of the attributes of an alert's log event."""
    rows = [(f"`{a.name}`", a.type, a.unit, a.meaning) for a in alert_event.ATTRIBUTES]
    return _table(("attribute", "type", "unit", "meaning"), rows)


def autopilot_attributes() -> str:
    """Return the table of the attributes of the log event of a step of the autopilot."""
    rows = [(f"`{a.name}`", a.type, a.unit, a.meaning) for a in autopilot_event.ATTRIBUTES]
    return _table(("attribute", "type", "unit", "meaning"), rows)


def stacks_attributes() -> str:
    """Return the table of the attributes of the event with the stacks of a slow extraction."""
    rows = [(f"`{a.name}`", a.type, a.unit, a.meaning) for a in semconv.STACKS_ATTRIBUTES]
    return _table(("attribute", "type", "unit", "meaning"), rows)


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "attributes": attributes,
    "metrics": metrics,
    "settings": variables,
    "paths": paths,
    "converters": converters,
    "libraries": libraries,
    "alerts": alert_attributes,
    "autopilot": autopilot_attributes,
    "stacks": stacks_attributes,
}
"""Keyed by the name between the marks, `<!-- generated: NAME -->`."""


def filled_in(text: str) -> str:
    """Return a Markdown text with the tables between its `generated` marks regenerated."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(functools.partial(_between, make()), text)
    return text


def _between(table: str, match: re.Match[str]) -> str:
    return f"{match[1]}{table}\n{match[2]}"


def _sentences() -> dict[str, str]:
    """Return the sentence under each field of the settings."""
    (cls,) = ast.parse(inspect.getsource(settings.Settings)).body
    assert isinstance(cls, ast.ClassDef)  # noqa: S101 for the type checkers: it is a class that was parsed
    found: dict[str, str] = {}
    for node, below in zip(cls.body, cls.body[1:], strict=False):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[node.target.id] = " ".join(str(below.value.value).split())
    return found


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(filled_in(path.read_text()))
