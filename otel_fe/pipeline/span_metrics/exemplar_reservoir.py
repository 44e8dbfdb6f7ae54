"""Reservoir sampling of exemplars: one for each bucket, drawn uniformly among the offered spans of kept traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.model.metric import ExemplarPoint


class Reservoir:
    """The exemplars of one series since its last collection."""

    __slots__ = ("_kept", "_offered")

    def __init__(self) -> None:
        self._kept: dict[int, ExemplarPoint] = {}
        self._offered: dict[int, int] = {}

    def draws(self, bucket: int, draw: Callable[[int], int]) -> bool:
        """Return whether an offered exemplar replaces that of a bucket: of n offered, each stays with probability 1/n.

        Args:
            bucket: Where it competes.
            draw: Returns a random integer from 0 to its argument less one.
        """
        count = self._offered[bucket] = self._offered.get(bucket, 0) + 1
        return count == 1 or draw(count) == 0

    def keep(self, bucket: int, exemplar: ExemplarPoint) -> None:
        """Store the exemplar, which is of a kept trace."""
        self._kept[bucket] = exemplar

    def take(self, limit: int, draw: Callable[[int], int]) -> tuple[ExemplarPoint, ...]:
        """Return at most `limit` exemplars, each bucket with the same chance, and reset the reservoir."""
        found = [self._kept[bucket] for bucket in sorted(self._kept)]
        while len(found) > limit:
            del found[draw(len(found))]
        self._kept.clear()
        self._offered.clear()
        return tuple(found)
