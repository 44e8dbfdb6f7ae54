"""The base classes of policies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from otel_fe.model.vote import SAMPLED, YES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.program import Program
    from otel_fe.pipeline.policies.range_predicate import RangePredicate


class Pool(Protocol):
    """A budget that traces of a round compete for: a limiter's, or that of a sub-policy of a `composite`."""

    @property
    def by_bytes(self) -> bool:
        """Return whether a trace costs its bytes, rather than its spans."""
        ...

    @property
    def most(self) -> int:
        """The most that a trace may cost; one that costs more does not compete."""
        ...

    def budget(self, now_ns: int) -> int:
        """Return how much there is to spend at a monotonic time."""
        ...

    def settle(self, threshold: int, spent: int) -> None:
        """Sample this round's traces from a threshold on their randomness, and pay for them."""
        ...


Competition: TypeAlias = "tuple[Pool, Callable[[BufferedTrace], bool]]"
"""A budget, and which traces compete for it."""


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
    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Return its vote on a trace."""

    @abstractmethod
    def describe(self, seen: object) -> str:
        """Return in words what it saw: the third part of its vote."""

    @property
    def leaves(self) -> Sequence[Evaluator]:
        """The leaf policies that its vote depends on, besides limiters: itself, mostly."""
        return (self,)

    @property
    def rule(self) -> RangePredicate | None:
        """The rule behind `evaluate`, if it is that simple."""
        return None

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return whether a vote to sample stays as it is, with certainty, whatever spans of the trace still come.

        Args:
            trace: As it was when the policy voted.
            vote: What `evaluate` returned.
        """
        return False

    @property
    def pools(self) -> Sequence[Competition]:
        """Its budgets in the order in which `prepare` spends them, each with a predicate: whether a trace competes for it.

        A predicate is called when all budgets before its own have been settled for the round. The outcome of a budget that a
        trace does not compete for has no influence on its vote.
        """
        return ()

    def prepare(self, traces: Sequence[BufferedTrace], now_ns: int) -> None:  # noqa: B027 most have nothing to prepare
        """Evaluate the traces of a round; `now_ns` is monotonic."""


def only_if(
    condition: Callable[[BufferedTrace], bool], pool: Pool, competes: Callable[[BufferedTrace], bool]
) -> Competition:
    """Return a budget that a trace competes for only if a condition holds, too."""
    return pool, lambda trace: condition(trace) and competes(trace)


class Inputs(NamedTuple):
    """The fields that decide a span's vote beside its resource and scope: spans with equal ones get the same vote."""

    attributes: tuple[str, ...]
    """The names of those that count."""
    heads: bool
    """Whether name, kind and status count, too."""


class SpanEvaluator(Evaluator):
    """A policy that votes by the first span, in order of arrival, of which `match` has something to say.

    Every span is evaluated once, however often the policy votes while spans arrive: the trace remembers how far it got.
    """

    __slots__ = ()

    @abstractmethod
    def match(self, span: SpanView) -> Vote | None:
        """Return the vote on a trace with this span; None where the span does not match."""

    def first_match(self, trace: BufferedTrace) -> Vote | None:
        """Return what `match` returns of the first span that matches; None where none does."""
        looked, vote = trace.looked.get(self, (0, None))
        spans = trace.spans
        if vote is None and looked < len(spans):
            for place in range(looked, len(spans)):
                vote = self.match(spans[place])
                if vote is not None:
                    break
            trace.looked[self] = len(spans), vote
        return vote

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return whether it samples: a span that has matched stays."""
        return vote[0] == SAMPLED

    @property
    def inputs(self) -> Inputs | None:
        """The fields that `match` reads; None if it may read any."""
        return None

    @property
    def program(self) -> Program | None:
        """What `match` answers, as a program for `compiled`; None if it would decide nothing."""
        return None

    def packed(self, seen: Any) -> int:  # noqa: ARG002
        """Return what `match` saw as a number of 64 bits, for `compiled`."""
        return 0

    def unpacked(self, packed: int) -> Vote:  # noqa: ARG002
        """Return the vote to sample that `packed` made a number of."""
        return YES
