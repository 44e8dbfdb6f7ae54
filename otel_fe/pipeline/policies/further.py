"""From the settings of a policy that only a file can have to what evaluates it; imported where one has such a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import policies
from otel_fe.pipeline.policies import attributes, limiting
from otel_fe.pipeline.policies.always import AlwaysSampleEvaluator
from otel_fe.pipeline.policies.combined import AndEvaluator, DropEvaluator, NotEvaluator
from otel_fe.pipeline.policies.composite import CompositeEvaluator, SubPolicyShare
from otel_fe.pipeline.policies.latency import latency
from otel_fe.pipeline.policies.probabilistic import ProbabilisticEvaluator
from otel_fe.pipeline.policies.span_count import SpanCountEvaluator
from otel_fe.pipeline.policies.trace_flags import TraceFlagsEvaluator
from otel_fe.pipeline.policies.trace_state import TraceStateEvaluator

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.pipeline.policies.evaluator import Evaluator

    EvaluatorOf = Callable[[policies.Policy], Evaluator]


def _ottl_condition(policy: policies.OttlCondition, _: EvaluatorOf) -> Evaluator:
    from otel_fe.pipeline.policies.ottl_condition import (  # noqa: PLC0415 it is a language: only where a file has one
        OttlConditionEvaluator,
    )

    return OttlConditionEvaluator(policy)


MAKERS: Final[dict[type, Callable[[Any, EvaluatorOf], Evaluator]]] = {
    policies.AlwaysSample: lambda policy, _: AlwaysSampleEvaluator(policy.name),
    policies.Latency: lambda policy, _: latency(policy),
    policies.Probabilistic: lambda policy, _: ProbabilisticEvaluator(policy),
    policies.NumericAttribute: lambda policy, _: attributes.numeric(policy),
    policies.StringAttribute: lambda policy, _: attributes.string(policy),
    policies.BooleanAttribute: lambda policy, _: attributes.boolean(policy),
    policies.TraceState: lambda policy, _: TraceStateEvaluator(policy),
    policies.TraceFlags: lambda policy, _: TraceFlagsEvaluator(policy),
    policies.SpanCount: lambda policy, _: SpanCountEvaluator(policy),
    policies.RateLimiting: lambda policy, _: limiting.rate(policy),
    policies.BytesLimiting: lambda policy, _: limiting.in_bytes(policy),
    policies.OttlCondition: _ottl_condition,
    policies.Not: lambda policy, of: NotEvaluator(policy.name, of(policy.policy)),
    policies.And: lambda policy, of: AndEvaluator(policy.name, [of(p) for p in policy.policies]),
    policies.Drop: lambda policy, of: DropEvaluator(policy.name, [of(p) for p in policy.policies]),
    policies.Composite: lambda policy, of: CompositeEvaluator(
        policy.name, [SubPolicyShare(of(a.policy), a.spans_per_second) for a in policy.allocations]
    ),
}
"""Keyed by the type of the settings; the second argument evaluates the policies that one holds."""
