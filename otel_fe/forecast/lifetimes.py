"""The hit ratio by time to live: each sampled key is simulated once for every lifetime in question.

Exact for entries that are stored on a miss, with a lifetime that reads do not prolong, in a cache that evicts nothing.
"""

from __future__ import annotations

from array import array


class Lifetimes:
    """For each lifetime and sampled key, when the entry was stored. The sampler bounds it.

    Args:
        lifetimes_s: In seconds, ascending; none costs nothing.
    """

    def __init__(self, lifetimes_s: tuple[float, ...] = ()) -> None:
        if list(lifetimes_s) != sorted(lifetimes_s) or any(lifetime <= 0 for lifetime in lifetimes_s):
            raise ValueError(f"lifetimes_s are {lifetimes_s!r}; use ascending numbers above 0")
        self.lifetimes_s = lifetimes_s
        self._stored: dict[int, array[float]] = {}
        self._hits = [0.0] * len(lifetimes_s)
        self._references = 0.0

    def reference(self, hashed: int, time_ns: int) -> None:
        """Record a look-up."""
        if not self.lifetimes_s:
            return
        now = time_ns / 1e9
        self._references += 1
        stored = self._stored.get(hashed)
        if stored is None:
            self._stored[hashed] = array("d", [now]) * len(self.lifetimes_s)
            return
        for index, lifetime in enumerate(self.lifetimes_s):
            if now - stored[index] < lifetime:
                self._hits[index] += 1
            else:
                stored[index] = now

    def hit_ratios(self) -> dict[float, float]:
        """Return the share of look-ups, 0..1, that would hit, by lifetime in seconds."""
        if not self._references:
            return {}
        return {lifetime: hits / self._references for lifetime, hits in zip(self.lifetimes_s, self._hits, strict=True)}

    def forget(self, hashed: int) -> None:
        """Leave a key out from now on."""
        self._stored.pop(hashed, None)

    def scale(self, share: float) -> None:
        """Scale the counts so far to `share` as many look-ups."""
        self._hits = [hits * share for hits in self._hits]
        self._references *= share

    def restart(self) -> None:
        """Reset the counts, but keep the sampled keys."""
        self._hits = [0.0] * len(self.lifetimes_s)
        self._references = 0.0
