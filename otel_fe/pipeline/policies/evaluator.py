"""What every policy can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.inclusion import Inclusion
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.received import ReceivedTrace

_MOST: Final = (1 << 64) - 1


class Rule(NamedTuple):
    """What a policy samples of traces that do not say how they were sampled before: numbers for `compiled`."""

    by: str
    """What it looks at: `duration` in ns, `status` and `flags` (their bits), `count` of spans, `hash` of the id."""
    least: int
    """From what it samples; of bits, those of which one must be set."""
    most: int = _MOST
    """Up to what, inclusive."""
    salted: int = 0
    """What the hash of the id goes on from."""
    chance: Inclusion = None
    """With what probability it samples, where that is by chance."""

    @property
    def bounded(self) -> tuple[str, int, int, int]:
        """The same with bounds that 64 bits hold; nothing that is looked at is beyond those."""
        least, most = (self.least, self.most) if self.most >= 0 else (1, 0)
        return self.by, min(max(0, least), _MOST), min(most, _MOST), self.salted

    def vote(self, seen: int, *, sampled: bool) -> Vote:
        """Return the policy's vote, given what it saw and whether it samples that."""
        chance = self.chance if self.by == "hash" else ALWAYS if sampled else NEVER
        return (SAMPLED if sampled else NOT_SAMPLED), chance, seen


class Evaluator(ABC):
    """A policy that votes on traces.

    A limiter compares the traces of one round with each other: it is `batched`, and `prepare` is called with all of them
    before any is evaluated. Every other policy only ever looks at one trace.
    """

    __slots__ = ("batched", "name")

    def __init__(self, name: str, *, batched: bool = False) -> None:
        self.name = name
        self.batched = batched

    @abstractmethod
    def evaluate(self, trace: ReceivedTrace) -> Vote:
        """Return its vote on a trace."""

    @abstractmethod
    def describe(self, seen: object) -> str:
        """Return in words what it saw: the third part of its vote."""

    @property
    def rule(self) -> Rule | None:
        """What `evaluate` goes by, where that is as simple as a rule."""
        return None

    def prepare(self, traces: Sequence[ReceivedTrace], now_ns: int) -> None:  # noqa: B027 most have nothing to prepare
        """Look at the traces of a round; `now_ns` is monotonic."""
