"""`composite`: policies with a share of the spans of a second each.

The Collector takes traces as they come until a share is used up, and gives them no weight. Here, as with the limiters, the
traces of a round with the highest randomness have it, so that the weights are right and the order of arrival does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.sampling_probability import SamplingProbability, intersection
from otel_fe.model.vote import FAILED, NO, NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.limiting import cut
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.pipeline.buffered_trace import BufferedTrace


class Share:
    """A sub-policy, and what of its share of the current second is left."""

    __slots__ = ("policy", "spans_per_second", "spent", "threshold")

    def __init__(self, policy: Evaluator, spans_per_second: int) -> None:
        self.policy = policy
        self.spans_per_second = spans_per_second
        self.spent = 0
        self.threshold = NEVER
        """Of this round."""

    def ration(self, traces: Sequence[BufferedTrace]) -> None:
        """Set the threshold of this round for the traces that the policy would sample, and pay for those."""
        priced = [(trace.randomness, trace.count) for trace in traces]
        self.threshold, spent = cut(priced, self.spans_per_second - self.spent)
        self.spent += spent


class CompositeEvaluator(Evaluator):
    """Samples a trace that one of its policies would sample, as long as that policy's share lasts.

    The first policy that would sample decides: over its share, a trace does not fall through to the next.
    """

    __slots__ = ("_second", "_shares")

    def __init__(self, name: str, shares: Sequence[Share]) -> None:
        super().__init__(name, batched=True)
        self._shares = tuple(shares)
        self._second: int | None = None

    @property
    def leaves(self) -> Sequence[Evaluator]:
        """Those of its policies."""
        return [leaf for share in self._shares for leaf in share.policy.leaves]

    def prepare(self, traces: Sequence[BufferedTrace], now_ns: int) -> None:
        """Ration each policy's share over the traces of this round that it is the first to sample."""
        second = now_ns // NS_PER_S
        if second != self._second:
            self._second = second
            for share in self._shares:
                share.spent = 0
        rest = list(traces)
        for share in self._shares:
            share.policy.prepare(rest, now_ns)
            kinds = [share.policy.evaluate(trace)[0] for trace in rest]
            share.ration([trace for trace, kind in zip(rest, kinds, strict=True) if kind == SAMPLED])
            rest = [trace for trace, kind in zip(rest, kinds, strict=True) if kind == NOT_SAMPLED]

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote as the first policy that samples it, within its share."""
        chance_before = False
        for share in self._shares:
            kind, inclusion, seen = share.policy.evaluate(trace)
            if kind == FAILED:
                return FAILED, NEVER, (share, seen, share.threshold)
            if kind == SAMPLED:
                sampled = trace.randomness >= share.threshold
                # Had the chance of an earlier policy fallen otherwise, that one's share would have decided.
                included: SamplingProbability = None if chance_before else intersection(inclusion, share.threshold)
                return (SAMPLED if sampled else NOT_SAMPLED), included, (share, seen, share.threshold)
            chance_before = chance_before or inclusion not in (ALWAYS, NEVER)
        return NO if not chance_before else (NOT_SAMPLED, None, None)

    def describe(self, seen: Any) -> str:
        """Return which of its policies decided, and what that saw."""
        if seen is None:
            return "none of its policies"
        share, inner, threshold = seen
        needed = f"its share of {share.spans_per_second} spans/s sampled from randomness {threshold / NEVER:.6f}"
        return f"{share.policy.name} ({share.policy.describe(inner)}), {needed}"
