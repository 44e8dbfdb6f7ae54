"""Sorts tables by the column that the address names: each heading is a link, so that it works without a script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_fe.dashboard.view_address import ViewAddress

_Row = TypeVar("_Row")
_UP: Final = ".up"


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a column that can be sorted by."""

    url: str
    """Sorts by it; once more, the other way round."""
    direction: str
    """`ascending`, `descending`, or empty where the table is in another order."""


def sorted_rows(rows: Sequence[_Row], columns: Mapping[str, Callable[[_Row], Any]], asked: str) -> list[_Row]:
    """Return rows sorted by a column; in their own order where the column is not known. Unknown values are last.

    Args:
        rows: In their own order, which rows with equal values keep.
        columns: How to read a row, by column.
        asked: `p95` for the largest first, `p95.up` for the smallest.
    """
    value = columns.get(asked.removesuffix(_UP))
    if value is None:
        return list(rows)
    known = [row for row in rows if value(row) is not None]
    known.sort(key=value, reverse=not asked.endswith(_UP))
    return known + [row for row in rows if value(row) is None]


def headings(address: ViewAddress, path: str, columns: Mapping[str, Any], fragment: str) -> dict[str, Heading]:
    """Return the headings of columns, by name. A first click has the largest number first, and names from A to Z.

    Args:
        address: Of the page.
        path: Likewise.
        columns: Those that can be sorted by.
        fragment: Where the table is on the page, so that it is in sight after the click.
    """
    found = {}
    for name in columns:
        up, down = f"{name}{_UP}", name
        direction = {up: "ascending", down: "descending"}.get(address.sort, "")
        first, second = (up, down) if name in _NAMES else (down, up)
        asked = second if address.sort == first else first
        found[name] = Heading(f"{address.url(path, sort=asked)}#{fragment}", direction)
    return found


_NAMES: Final = frozenset({"service", "feature_set", "slo"})
