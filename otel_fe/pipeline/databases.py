"""Which calls are those of a database, which sends no spans of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_fe.model.span import ScopeView, SpanView

_SYSTEM: Final = "db.system.name"
_OLD_SYSTEM: Final = "db.system"
_MOST_KINDS: Final = 10_000

databases: dict[tuple[ScopeView, str], bool] = {}
"""By scope and name: spans of the same library and name are alike, and asking each for its attributes costs more than all else."""


def is_of_database(span: SpanView) -> bool:
    """Whether a call is one, by its attributes, or those of the first that was like it."""
    kind = (span.scope, span.name)
    known = databases.get(kind)
    if known is None:
        if len(databases) >= _MOST_KINDS:
            databases.clear()
        attributes = span.attributes
        known = databases[kind] = _SYSTEM in attributes or _OLD_SYSTEM in attributes
    return known
