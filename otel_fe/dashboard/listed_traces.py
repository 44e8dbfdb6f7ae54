"""Kept extractions as tables list them, each with a link to its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.store.kept import FoundExtraction


def listed(found: Iterable[FoundExtraction]) -> list[dict[str, Any]]:
    """Return the rows of a table of traces; ids in hexadecimal, since JSON's numbers are too short for them."""
    return [
        {
            "trace_id": f"{one.trace_id:032x}",
            "policy": one.policy,
            "weight": one.weight,
            "extraction": one.extraction,
        }
        for one in found
    ]
