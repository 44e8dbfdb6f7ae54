"""`rate_limiting` and `bytes_limiting`: as many traces as fit a token bucket, chosen so that their weights are right.

Of the traces of a round, those with the highest randomness are sampled until the next would not fit. The randomness of that
first rejected one, plus one, is the threshold: with it as their weight, the sampled traces count all of them without bias.
Source: Ting, "Adaptive Threshold Sampling" (arXiv 1708.04970), section 3.1; the Collector does the same where its feature gate
`processor.tailsamplingprocessor.usetracestate` is on, and takes traces as they come where it is off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.config.policies import BytesLimiting, RateLimiting
    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.evaluator import Competition


class TokenBucket:
    """Tokens that come in at a steady rate, up to a capacity; full at first. Exact: no fraction of a token is lost."""

    __slots__ = ("_filled_ns", "_parts", "capacity", "rate")

    def __init__(self, rate: int, capacity: int) -> None:
        self.rate = rate
        """Tokens a second."""
        self.capacity = capacity
        self._parts = capacity * NS_PER_S
        """Tokens, in parts of 10⁻⁹."""
        self._filled_ns: int | None = None

    def available(self, now_ns: int) -> int:
        """Return the whole tokens that there are at a monotonic time."""
        if self._filled_ns is not None:
            grown = self._parts + max(0, now_ns - self._filled_ns) * self.rate
            self._parts = min(self.capacity * NS_PER_S, grown)
        self._filled_ns = now_ns if self._filled_ns is None else max(now_ns, self._filled_ns)
        return self._parts // NS_PER_S

    def take(self, tokens: int) -> None:
        """Take tokens that are available."""
        self._parts -= tokens * NS_PER_S


def cut(traces: Sequence[tuple[int, int]], budget: int) -> tuple[int, int]:
    """Return the threshold that spends a budget on the traces of highest randomness, and what that costs.

    Args:
        traces: Randomness and cost of each.
        budget: What there is to spend.
    """
    spent = 0
    ordered = sorted(traces, reverse=True)
    for index, (randomness, cost) in enumerate(ordered):
        if spent + cost > budget:
            # No threshold can part traces of equal randomness: all of them go.
            kept = [(r, c) for r, c in ordered[:index] if r > randomness]
            return (randomness + 1, sum(c for _, c in kept)) if kept else (NEVER, 0)
        spent += cost
    return ALWAYS, spent


class LimitingEvaluator(Evaluator):
    """Samples the traces of a round with the highest randomness, as far as the bucket goes."""

    __slots__ = ("_bucket", "_cost", "_threshold", "_unit", "by_bytes")

    def __init__(self, name: str, bucket: TokenBucket, cost: Callable[[BufferedTrace], int], unit: str) -> None:
        super().__init__(name, batched=True)
        self._bucket = bucket
        self._cost = cost
        self._unit = unit
        self.by_bytes = unit == "bytes"
        self._threshold = NEVER

    @property
    def leaves(self) -> Sequence[Evaluator]:
        """None: it compares traces with each other."""
        return ()

    def prepare(self, traces: Sequence[BufferedTrace], now_ns: int) -> None:
        """Set the threshold of this round, and pay for what it samples."""
        priced = [(trace.randomness, self._cost(trace)) for trace in traces]
        fitting = [(randomness, cost) for randomness, cost in priced if cost <= self.most]
        self.settle(*cut(fitting, self.budget(now_ns)))

    @property
    def pools(self) -> Sequence[Competition]:
        """Its bucket, which all traces compete for."""
        return [(self, lambda _: True)]

    @property
    def most(self) -> int:
        """The burst: a trace that costs more is never sampled."""
        return self._bucket.capacity

    def budget(self, now_ns: int) -> int:
        """Return what is in the bucket."""
        return self._bucket.available(now_ns)

    def settle(self, threshold: int, spent: int) -> None:
        """Set the threshold of this round, and take what was spent."""
        self._threshold = threshold
        self._bucket.take(spent)

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by the threshold of this round."""
        cost = self._cost(trace)
        if cost > self._bucket.capacity:
            return NOT_SAMPLED, NEVER, (cost, None)
        randomness, threshold = trace.randomness, trace.thresholds.get(self, self._threshold)
        sampled = randomness >= threshold
        return (SAMPLED if sampled else NOT_SAMPLED), threshold, (cost, randomness, threshold)

    def describe(self, seen: Any) -> str:
        """Return the trace's cost, and its randomness beside what it had to reach."""
        cost, randomness, *threshold = seen
        if randomness is None:
            return f"{cost} {self._unit}, more than the burst of {self._bucket.capacity}"
        needed = threshold[0] / NEVER
        return f"{cost} {self._unit}, randomness {randomness / NEVER:.6f}, this round sampled from {needed:.6f}"


def rate(policy: RateLimiting) -> Evaluator:
    """Return the evaluator of a `rate_limiting` policy."""
    bucket = TokenBucket(policy.spans_per_second, policy.burst_capacity)
    return LimitingEvaluator(policy.name, bucket, lambda trace: trace.count, "spans")


def in_bytes(policy: BytesLimiting) -> Evaluator:
    """Return the evaluator of a `bytes_limiting` policy."""
    bucket = TokenBucket(policy.bytes_per_second, policy.burst_capacity)
    return LimitingEvaluator(policy.name, bucket, lambda trace: trace.wrapped_bytes, "bytes")
