"""`probabilistic`, and the process's own `consistent_share`: by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, HEX_DIGITS, NEVER, threshold_of
from otel_fe.model.randomness import fnv1a, hash_limit, hash_of
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.range_predicate import RangePredicate

if TYPE_CHECKING:
    from otel_fe.config.policies import ConsistentShare, Probabilistic
    from otel_fe.model.sampling_probability import SamplingProbability
    from otel_fe.pipeline.buffered_trace import BufferedTrace


class ProbabilisticEvaluator(Evaluator):
    """Samples a share of all traces: by their own randomness where they state it, else by a hash of their id."""

    __slots__ = ("_by_hash", "_hash_limit", "_ratio", "_salted", "_threshold")

    def __init__(self, policy: Probabilistic) -> None:
        super().__init__(policy.name)
        self._ratio = policy.sampling_ratio
        # To full precision, as this processor has it; four digits are for head samplers, whose every span carries it.
        self._threshold = threshold_of(policy.sampling_ratio, HEX_DIGITS)
        self._hash_limit = hash_limit(policy.sampling_ratio) if self._threshold < NEVER else -1
        self._salted = fnv1a(policy.hash_salt.encode())
        # The hash and a trace's own randomness, which limiters use, are independent of each other.
        self._by_hash: SamplingProbability = (
            ((policy.hash_salt, self._threshold),) if 0 < self._threshold < NEVER else self._threshold
        )

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by its randomness."""
        if trace.tells_sampling:
            value = trace.randomness
            return (SAMPLED if value >= self._threshold else NOT_SAMPLED), self._threshold, value
        hashed = hash_of(self._salted, trace.trace_id)
        return (SAMPLED if hashed <= self._hash_limit else NOT_SAMPLED), self._by_hash, NEVER - 1 - (hashed >> 8)

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return whether it samples every trace: a share's weight is not known before its last span is here."""
        return vote[0] == SAMPLED and self._threshold == ALWAYS

    @property
    def rule(self) -> RangePredicate:
        """The hashes that are sampled, and the randomness of traces that state theirs."""
        return RangePredicate("hash", 0, self._hash_limit, self._salted, self._threshold)

    def describe(self, seen: Any) -> str:
        """Return its randomness beside what it must reach, both as shares of 1."""
        return _described(seen, self._threshold, self._ratio)


class ConsistentShareEvaluator(Evaluator):
    """Samples a share of all traces by their own randomness."""

    __slots__ = ("_ratio", "threshold")

    def __init__(self, policy: ConsistentShare) -> None:
        super().__init__(policy.name)
        self._ratio = policy.sampling_ratio
        self.threshold = threshold_of(policy.sampling_ratio)
        """From what randomness on, inclusive; to four digits, since every span carries it."""

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by its randomness."""
        value = trace.randomness
        return (SAMPLED if value >= self.threshold else NOT_SAMPLED), self.threshold, value

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return whether it samples every trace: a later span may say that the trace has another randomness."""
        return vote[0] == SAMPLED and self.threshold == ALWAYS

    def describe(self, seen: Any) -> str:
        """Return its randomness beside what it must reach, both as shares of 1."""
        return _described(seen, self.threshold, self._ratio)


def _described(randomness: int, threshold: int, ratio: float) -> str:
    return f"randomness {randomness / NEVER:.6f}, sampled from {threshold / NEVER:.6f} ({ratio:.4g} of all)"
