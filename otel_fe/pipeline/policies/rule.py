"""A policy that is as simple as a rule: what it looks at, from where to where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED

if TYPE_CHECKING:
    from otel_fe.model.inclusion import Inclusion
    from otel_fe.model.vote import Vote

MOST: Final = (1 << 64) - 1
"""As much as 64 bits hold."""


class Rule(NamedTuple):
    """What a policy samples of traces that do not say how they were sampled before: numbers for `compiled`."""

    by: str
    """What it looks at: `duration` in ns, `status` and `flags` (their bits), `count` of spans, `hash` of the id, or `nothing`."""
    least: int
    """From what it samples; of bits, those of which one must be set."""
    most: int = MOST
    """Up to what, inclusive."""
    salted: int = 0
    """What the hash of the id goes on from."""
    chance: Inclusion = None
    """With what probability it samples, where that is by chance."""

    @property
    def bounded(self) -> tuple[str, int, int, int]:
        """The same with bounds that 64 bits hold; nothing that is looked at is beyond those."""
        least, most = (self.least, self.most) if self.most >= 0 else (1, 0)
        return self.by, min(max(0, least), MOST), min(most, MOST), self.salted

    def vote(self, seen: int, *, sampled: bool) -> Vote:
        """Return the policy's vote, given what it saw and whether it samples that."""
        chance = self.chance if self.by == "hash" else ALWAYS if sampled else NEVER
        return (SAMPLED if sampled else NOT_SAMPLED), chance, None if self.by == "nothing" else seen
