"""What every policy can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.policies.rule import Rule
    from otel_fe.pipeline.received import ReceivedTrace


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
