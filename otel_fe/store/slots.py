"""The layout of the table of extractions: slots of time, and a column for each cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SPLIT_CAUSES: Final = (
    *("cache_miss", "pool_wait", "cpu", "gpu", "downstream", "unexplained"),
    *("gc", "gil", "cpu_throttled", "cpu_wait", "page_faults", "disk", "lock", "sleep", "import", "subprocess"),
    *("native_threads", "event_loop"),
)
"""Whose columns are `in_…`, in their order in the table; a test holds them equal to the pipeline's causes."""
SPLIT_COLUMNS: Final = ", ".join(f"in_{cause}" for cause in SPLIT_CAUSES)
SLOT_NS: Final = 600_000_000_000
"""Ten minutes: what extractions are ordered by."""
BY_GROUP: Final = 18
"""Slots of a cell by latency, service and feature set: three hours."""
BY_KIND: Final = 72
"""Slots of a cell also by policy, cause, hit and error: twelve hours, since there are many more of them."""
SPREAD: Final = 2_654_435_761
"""Knuth's multiplicative hash of keys, to sample by: no rhythm of the traffic coincides with that of the sample."""


def split_by_cause(values: Sequence[Any]) -> dict[str, int]:
    """Return `SPLIT_COLUMNS` of a row as ns by cause; empty if the split is unknown."""
    if values[0] is None:
        return {}
    # Rows of files from before there were more causes have nothing in the later columns.
    return {cause: value or 0 for cause, value in zip(SPLIT_CAUSES, values, strict=True)}
