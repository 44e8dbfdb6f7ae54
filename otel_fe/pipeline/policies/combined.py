"""`and`, `not`, `drop`: policies made of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.sampling_probability import SamplingProbability, intersection
from otel_fe.model.vote import DROPPED, FAILED, KINDS, NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator, only_if

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.evaluator import Competition


class AndEvaluator(Evaluator):
    """Votes to sample, or `as_kind`, if all of its policies would sample."""

    __slots__ = ("_as_kind", "_policies")

    def __init__(self, name: str, policies: Sequence[Evaluator], as_kind: int = SAMPLED) -> None:
        super().__init__(name, batched=any(policy.batched for policy in policies))
        self._policies = tuple(policies)
        self._as_kind = as_kind

    @property
    def leaves(self) -> Sequence[Evaluator]:
        """Leaves of its policies."""
        return [leaf for policy in self._policies for leaf in policy.leaves]

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote; policies behind the first one that does not sample are not evaluated."""
        inclusion: SamplingProbability = ALWAYS
        seen: list[Vote] = []
        kind = self._as_kind
        for policy in self._policies:
            vote = policy.evaluate(trace)
            seen.append(vote)
            inclusion = intersection(inclusion, vote[1])
            if vote[0] == FAILED:
                return FAILED, NEVER, seen
            if vote[0] == NOT_SAMPLED:
                kind = NOT_SAMPLED
                if inclusion == NEVER:  # no later policy could change the probability
                    break
        return kind, inclusion, seen

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:
        """Return whether every one of its policies samples the trace for good."""
        votes: Any = vote[2]
        return vote[0] == SAMPLED and all(
            policy.is_final(trace, each) for policy, each in zip(self._policies, votes, strict=True)
        )

    def prepare(self, traces: Sequence[BufferedTrace], now_ns: int) -> None:
        """Pass its limiters only the traces that all its other policies would sample."""
        if not self.batched:
            return
        candidates = [trace for trace in traces if self._competes(trace)]
        for policy in self._policies:
            policy.prepare(candidates, now_ns)

    @property
    def pools(self) -> Sequence[Competition]:
        """The budgets of limiters in it, each with the traces that all its other policies would sample."""
        return [only_if(self._competes, *each) for policy in self._policies for each in policy.pools]

    def _competes(self, trace: BufferedTrace) -> bool:
        return all(
            policy.evaluate(trace)[0] not in (NOT_SAMPLED, FAILED) for policy in self._policies if not policy.batched
        )

    def describe(self, seen: Any) -> str:
        """Return what each of its evaluated policies saw."""
        parts = [
            f"{policy.name} {KINDS[vote[0]]} ({policy.describe(vote[2])})"
            for policy, vote in zip(self._policies, seen, strict=False)
        ]
        return " and ".join(parts)


class DropEvaluator(AndEvaluator):
    """Drops a trace that every one of its policies would sample."""

    __slots__ = ()

    def __init__(self, name: str, policies: Sequence[Evaluator]) -> None:
        super().__init__(name, policies, as_kind=DROPPED)


class NotEvaluator(Evaluator):
    """Votes the opposite of another policy."""

    __slots__ = ("_policy",)

    def __init__(self, name: str, policy: Evaluator) -> None:
        super().__init__(name, batched=policy.batched)
        self._policy = policy

    @property
    def leaves(self) -> Sequence[Evaluator]:
        """Leaves of its policy."""
        return self._policy.leaves

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote; the complement of a share is no threshold, so its probability is lost."""
        kind, inclusion, seen = self._policy.evaluate(trace)
        turned: SamplingProbability = (
            {ALWAYS: NEVER, NEVER: ALWAYS}.get(inclusion) if isinstance(inclusion, int) else None
        )
        if kind == SAMPLED:
            return NOT_SAMPLED, turned, seen
        if kind == NOT_SAMPLED:
            return SAMPLED, turned, seen
        return kind, inclusion, seen

    def prepare(self, traces: Sequence[BufferedTrace], now_ns: int) -> None:
        """Prepare the inverted policy."""
        self._policy.prepare(traces, now_ns)

    @property
    def pools(self) -> Sequence[Competition]:
        """The budgets of the inverted policy."""
        return self._policy.pools

    def describe(self, seen: object) -> str:
        """Return what the policy saw."""
        return f"not {self._policy.describe(seen)}"
