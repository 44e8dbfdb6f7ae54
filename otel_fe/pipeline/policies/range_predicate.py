"""A policy that is as simple as a rule: what it looks at, from where to where."""

from __future__ import annotations

from typing import Final, NamedTuple

MOST: Final = (1 << 64) - 1
"""As much as 64 bits hold."""


class RangePredicate(NamedTuple):
    """A predicate on the sums of a trace's spans: numbers for `compiled`."""

    by: str
    """The tested sum: `duration` in ns, `status` and `flags` (their bits), `count` of spans, `hash` of the id, or `nothing`."""
    least: int
    """From what it samples; of bits, those of which one must be set."""
    most: int = MOST
    """Up to what, inclusive."""
    salted: int = 0
    """The state from which the hash of the id continues."""
    threshold: int = 0
    """The least sampled randomness of traces that state how they were sampled, where it uses the hash of others."""

    @property
    def bounded(self) -> tuple[str, int, int, int]:
        """The same with bounds that 64 bits hold; nothing that is looked at is beyond those."""
        least, most = (self.least, self.most) if self.most >= 0 else (1, 0)
        return self.by, min(max(0, least), MOST), min(most, MOST), self.salted
