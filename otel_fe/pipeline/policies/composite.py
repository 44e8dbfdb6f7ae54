"""`composite`: policies with a share of the spans of a second each.

The Collector takes traces as they come until a share is used up, and gives them no weight. Here, as with the limiters, the
traces of a round with the highest randomness have it, so that the weights are right and the order of arrival does not matter.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.sampling_probability import SamplingProbability, intersection
from otel_fe.model.vote import FAILED, NO, NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator, only_if
from otel_fe.pipeline.policies.limiting import cut
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.evaluator import Competition


class SubPolicyShare:
    """A sub-policy, and what of its share of the current second is left."""

    __slots__ = ("_second", "policy", "spans_per_second", "spent", "threshold")

    by_bytes = False
    most = sys.maxsize

    def __init__(self, policy: Evaluator, spans_per_second: int) -> None:
        self.policy = policy
        self.spans_per_second = spans_per_second
        self.spent = 0
        self._second: int | None = None
        self.threshold = NEVER
        """Of this round."""

    def ration(self, traces: Sequence[BufferedTrace], now_ns: int) -> None:
        """Set the threshold of this round for the traces that the policy would sample, and pay for those."""
        self.settle(*cut([(trace.randomness, trace.count) for trace in traces], self.budget(now_ns)))

    def budget(self, now_ns: int) -> int:
        """Return what is left of the share of this second."""
        second = now_ns // NS_PER_S
        if second != self._second:
            self._second, self.spent = second, 0
        return self.spans_per_second - self.spent

    def settle(self, threshold: int, spent: int) -> None:
        """Set the threshold of this round, and pay for what it samples."""
        self.threshold = threshold
        self.spent += spent


class CompositeEvaluator(Evaluator):
    """Samples a trace that one of its policies would sample, as long as that policy's share lasts.

    The first policy that would sample decides: over its share, a trace does not fall through to the next.
    """

    __slots__ = ("_shares",)

    def __init__(self, name: str, shares: Sequence[SubPolicyShare]) -> None:
        super().__init__(name, batched=True)
        self._shares = tuple(shares)

    @property
    def leaves(self) -> Sequence[Evaluator]:
        """Those of its policies."""
        return [leaf for share in self._shares for leaf in share.policy.leaves]

    def prepare(self, traces: Sequence[BufferedTrace], now_ns: int) -> None:
        """Ration each policy's share over the traces of this round that it is the first to sample."""
        rest = list(traces)
        for share in self._shares:
            share.policy.prepare(rest, now_ns)
            kinds = [share.policy.evaluate(trace)[0] for trace in rest]
            share.ration([trace for trace, kind in zip(rest, kinds, strict=True) if kind == SAMPLED], now_ns)
            rest = [trace for trace, kind in zip(rest, kinds, strict=True) if kind == NOT_SAMPLED]

    @property
    def pools(self) -> Sequence[Competition]:
        """Its shares, each with the traces that its policy is the first to sample, behind the budgets of that policy."""
        found: list[Competition] = []
        for place, share in enumerate(self._shares):
            reaches = functools.partial(self._reaches, place)
            found += [only_if(reaches, *each) for each in share.policy.pools]
            found.append((share, functools.partial(self._competes, place)))
        return found

    def _reaches(self, place: int, trace: BufferedTrace) -> bool:
        return all(share.policy.evaluate(trace)[0] == NOT_SAMPLED for share in self._shares[:place])

    def _competes(self, place: int, trace: BufferedTrace) -> bool:
        return self._reaches(place, trace) and self._shares[place].policy.evaluate(trace)[0] == SAMPLED

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote as the first policy that samples it, within its share."""
        chance_before = False
        for share in self._shares:
            kind, inclusion, seen = share.policy.evaluate(trace)
            threshold = trace.thresholds.get(share, share.threshold)
            if kind == FAILED:
                return FAILED, NEVER, (share, seen, threshold)
            if kind == SAMPLED:
                sampled = trace.randomness >= threshold
                # Had the chance of an earlier policy fallen otherwise, that one's share would have decided.
                included: SamplingProbability = None if chance_before else intersection(inclusion, threshold)
                return (SAMPLED if sampled else NOT_SAMPLED), included, (share, seen, threshold)
            chance_before = chance_before or inclusion not in (ALWAYS, NEVER)
        return NO if not chance_before else (NOT_SAMPLED, None, None)

    def describe(self, seen: Any) -> str:
        """Return which of its policies decided, and what that saw."""
        if seen is None:
            return "none of its policies"
        share, inner, threshold = seen
        needed = f"its share of {share.spans_per_second} spans/s sampled from randomness {threshold / NEVER:.6f}"
        return f"{share.policy.name} ({share.policy.describe(inner)}), {needed}"
