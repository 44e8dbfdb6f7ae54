"""The reuse distance of a key (how many other keys were referenced since), in logarithmic time."""

from __future__ import annotations

_SMALLEST = 1024


class Recency:
    """The order in which keys were last referenced.

    A Fenwick tree over the moments of last references counts those later than any one (P. Fenwick, "A new data structure for
    cumulative frequency tables", 1994). Moments that are no key's last are removed from time to time.
    """

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._renumber()

    def __len__(self) -> int:
        return len(self._last)

    def reference(self, key: int) -> int | None:
        """Note a reference; return how many distinct other keys were referenced since the last one; None if first."""
        if self._now >= self._room:
            self._renumber()
        before = self._last.get(key)
        distance = None
        if before is not None:
            distance = len(self._last) - self._sum(before)
            self._add(before, -1)
        self._now += 1
        self._last[key] = self._now
        self._add(self._now, 1)
        return distance

    def forget(self, key: int) -> None:
        """Leave a key out from now on."""
        self._add(self._last.pop(key), -1)

    def _renumber(self) -> None:
        ordered = sorted(self._last, key=self._last.__getitem__)
        self._last = {key: moment for moment, key in enumerate(ordered, 1)}
        self._now = len(ordered)
        self._room = max(_SMALLEST, 4 * len(ordered))
        tree = self._tree = [0] * (self._room + 1)
        for moment in range(1, self._room + 1):
            tree[moment] += moment <= self._now
            above = moment + (moment & -moment)
            if above <= self._room:
                tree[above] += tree[moment]

    def _add(self, moment: int, change: int) -> None:
        tree, room = self._tree, self._room
        while moment <= room:
            tree[moment] += change
            moment += moment & -moment

    def _sum(self, moment: int) -> int:
        tree, total = self._tree, 0
        while moment:
            total += tree[moment]
            moment &= moment - 1
        return total
