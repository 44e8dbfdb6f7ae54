"""Renders pages with Jinja2, which escapes everything; nothing from a span is ever marked as safe."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting, requirements
from otel_fe.dashboard.charts import LEFT, line_chart
from otel_fe.dashboard.comparison import NAMES
from otel_fe.dashboard.figure_notes import NOTES
from otel_fe.dashboard.page_response import PageResponse
from otel_fe.dashboard.view_address import RANGES
from otel_fe.errors import MissingExtraError
from otel_fe.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: PLC0415 an extra
    except ImportError:
        raise MissingExtraError("the dashboard", "dashboard") from None
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("otel_fe.dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shared: Any = made.globals
    shared.update(
        q=formatting,
        line_chart=line_chart,
        chart_left=LEFT,
        ranges=list(RANGES),
        causes=NAMES,
        notes=NOTES,
        required=requirements,
        version=__version__,
        static=static_url,
    )
    for name in made.list_templates():
        made.get_template(name)  # compiled before the first reader comes, who would wait for it
    return made


def page(template: str, status: int = 200, **content: Any) -> PageResponse:
    """Return a page."""
    return PageResponse(status, environment().get_template(template).render(**content).encode())


@lru_cache(maxsize=16)
def static_file(name: str) -> PageResponse | None:
    """Return one of our own files; None for what is none of them."""
    kind = _TYPES.get(name.rpartition(".")[2])
    if kind is None or "/" in name or "\\" in name or name.startswith("."):
        return None
    found = files("otel_fe.dashboard").joinpath("static").joinpath(name)
    return PageResponse(200, found.read_bytes(), kind, cacheable=True) if found.is_file() else None


@lru_cache(maxsize=16)
def static_url(name: str) -> str:
    """Return where one of our files is; its URL changes with its content, so that browsers may keep it."""
    found = static_file(name)
    version = hashlib.sha256(found.body).hexdigest()[:12] if found else ""
    return f"/static/{name}?v={version}"
