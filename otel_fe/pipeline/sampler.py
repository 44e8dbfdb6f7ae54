"""Makes the decision on a trace from the votes of all policies.

Drop beats sample; not to sample is no veto; the first policy of the file that samples is named. The threshold of a sampled trace
states the probability that *any* policy samples traces like it, so that weights are right with any number of policies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model.decision import NOT_SAMPLED, Decision
from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.sampling_probability import SamplingProbability, any_of
from otel_fe.model.vote import DROPPED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import only_if
from otel_fe.pipeline.policies.factory import evaluator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.config.process_policies import Policy
    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.evaluator import Competition, Evaluator

Verdict = tuple[Decision, tuple[Vote, ...]]
"""A decision, and the votes that led to it, in the order of `Sampler.policies`, as far as they voted."""

_MOST_INTERNED: Final = 4_096


class Sampler:
    """Evaluates policies.

    Args:
        policies: In the order of the file; those of type `drop` are moved to the front.
        first_match: Stop voting once a policy samples. The probabilities of later policies are still computed: a
            later policy that would have sampled too changes the weight.
    """

    def __init__(self, policies: Sequence[Policy], *, first_match: bool = False) -> None:
        drops = [policy for policy in policies if policy.type == "drop"]
        others = [policy for policy in policies if policy.type != "drop"]
        self.policies: tuple[Evaluator, ...] = tuple(evaluator_of(policy) for policy in (*drops, *others))
        """Evaluators in the order of their votes."""
        self.batched = any(policy.batched for policy in self.policies)
        """Whether traces must be decided in rounds, since a limiter compares them with each other."""
        self.settles_early = not drops and not self.batched
        """Whether a trace may be kept before all of its spans arrive: there is no `drop` policy and no limiter."""
        self._drops = self.policies[: len(drops)]
        self._others = self.policies[len(drops) :]
        self._others_asked = [(policy.name, policy.evaluate) for policy in self._others]
        self.first_match = first_match
        self._interned: dict[tuple[str, int | None, bool, bool], Decision] = {}

    @property
    def pools(self) -> list[Competition]:
        """The budgets that traces of a round compete for, as for `Evaluator.pools`; those of `drop` policies come first."""
        behind = [each for policy in self._others for each in policy.pools]
        return [
            *(each for policy in self._drops for each in policy.pools),
            *(only_if(lambda trace: not self.drops(trace), *each) for each in behind),
        ]

    def drops(self, trace: BufferedTrace) -> bool:
        """Return whether a `drop` policy drops a trace."""
        return any(policy.evaluate(trace)[0] == DROPPED for policy in self._drops)

    def decide_round(self, traces: Sequence[BufferedTrace], now_ns: int) -> list[Verdict]:
        """Decide several traces; `now_ns` is monotonic."""
        if self.batched:
            for policy in self._drops:
                policy.prepare(traces, now_ns)
            staying = [trace for trace in traces if not self.drops(trace)]
            for policy in self._others:
                policy.prepare(staying, now_ns)
        return [self.decide(trace) for trace in traces]

    def final(self, trace: BufferedTrace) -> Verdict | None:
        """Return the verdict on a trace that is kept with weight 1 whatever spans still come; None for any other trace."""
        if not self.settles_early:
            return None
        for policy in self.policies:
            vote = policy.evaluate(trace)
            if vote[0] == SAMPLED and vote[1] == ALWAYS and policy.is_final(trace, vote):
                decision, votes = self.decide(trace)
                return self._decision(decision.reason, decision.threshold, early=True), votes
        return None

    def decide(self, trace: BufferedTrace) -> Verdict:
        """Decide one trace; with limiters, one of a round."""
        votes: list[Vote] = []
        certain = True
        for policy in self._drops:
            vote = policy.evaluate(trace)
            votes.append(vote)
            if vote[0] == DROPPED:
                return self._decision(policy.name, None, dropped=True), tuple(votes)
            if vote[1] != NEVER:
                certain = False  # it was not dropped only by chance
        winner = ""
        for name, evaluate in self._others_asked:
            vote = evaluate(trace)
            votes.append(vote)
            if vote[0] == SAMPLED and not winner:
                winner = name
                if self.first_match and vote[1] == ALWAYS:
                    break
        if not winner:
            return NOT_SAMPLED, tuple(votes)
        inclusions: list[SamplingProbability] = [vote[1] for vote in votes[len(self._drops) :]]
        threshold = any_of(inclusions) if certain else None
        return self._decision(winner, threshold), tuple(votes)

    def _decision(self, reason: str, threshold: int | None, *, dropped: bool = False, early: bool = False) -> Decision:
        key = (reason, threshold, dropped, early)
        found = self._interned.get(key)
        if found is None:
            if len(self._interned) >= _MOST_INTERNED:  # the thresholds of limiters differ from round to round
                self._interned.clear()
            found = self._interned[key] = Decision(
                sampled=not dropped,
                reason=reason,
                threshold=NEVER if dropped else threshold,
                dropped=dropped,
                early=early,
            )
        return found
