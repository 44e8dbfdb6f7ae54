"""Reads a piece of YAML with one table of keys, for the tests of that table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.config.document import read_documents
from otel_fe.config.reading import Place, Report, attempt

if TYPE_CHECKING:
    from otel_fe.config.reading import Kind


def read(kind: Kind[Any], text: str, **environ: str) -> Any:
    """Return what `kind` reads; the problems, one a line and without the file's name, where it refuses."""
    value, report = read_reporting(kind, text, **environ)
    return "\n".join(str(problem) for problem in report.problems) if report.problems else value


def read_reporting(kind: Kind[Any], text: str, **environ: str) -> tuple[Any, Report]:
    """Return what `kind` reads, None where it refuses, and all that it reports."""
    (document,) = read_documents(text, "f", environ)
    report = Report(list(document.problems), list(document.warnings))
    return attempt(kind, Place(document.root, "", report, document.root.position), None), report
