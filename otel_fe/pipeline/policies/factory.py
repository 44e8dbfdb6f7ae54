"""From the settings of a policy to what evaluates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import policies
from otel_fe.pipeline.policies import attributes, limiting
from otel_fe.pipeline.policies.always import AlwaysSampleEvaluator
from otel_fe.pipeline.policies.combined import AndEvaluator, DropEvaluator, NotEvaluator
from otel_fe.pipeline.policies.composite import CompositeEvaluator, Share
from otel_fe.pipeline.policies.latency import latency, least_duration
from otel_fe.pipeline.policies.probabilistic import ConsistentShareEvaluator, ProbabilisticEvaluator
from otel_fe.pipeline.policies.slo_breach import SloBreachEvaluator
from otel_fe.pipeline.policies.span_count import SpanCountEvaluator
from otel_fe.pipeline.policies.status_code import StatusCodeEvaluator
from otel_fe.pipeline.policies.trace_flags import TraceFlagsEvaluator
from otel_fe.pipeline.policies.trace_state import TraceStateEvaluator

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.pipeline.policies.evaluator import Evaluator


def _ottl_condition(policy: policies.OttlCondition) -> Evaluator:
    from otel_fe.pipeline.policies.ottl_condition import (  # noqa: PLC0415 it is a language: only where a file has one
        OttlConditionEvaluator,
    )

    return OttlConditionEvaluator(policy)


_MAKERS: Final[dict[type, Callable[[Any], Evaluator]]] = {
    policies.AlwaysSample: lambda policy: AlwaysSampleEvaluator(policy.name),
    policies.Latency: latency,
    policies.LeastDuration: least_duration,
    policies.SloBreach: lambda policy: SloBreachEvaluator(policy.name),
    policies.ConsistentShare: ConsistentShareEvaluator,
    policies.NumericAttribute: attributes.numeric,
    policies.StringAttribute: attributes.string,
    policies.BooleanAttribute: attributes.boolean,
    policies.Probabilistic: ProbabilisticEvaluator,
    policies.StatusCode: StatusCodeEvaluator,
    policies.TraceState: TraceStateEvaluator,
    policies.TraceFlags: TraceFlagsEvaluator,
    policies.SpanCount: SpanCountEvaluator,
    policies.RateLimiting: limiting.rate,
    policies.BytesLimiting: limiting.in_bytes,
    policies.OttlCondition: _ottl_condition,
    policies.Not: lambda policy: NotEvaluator(policy.name, evaluator_of(policy.policy)),
    policies.And: lambda policy: AndEvaluator(policy.name, [evaluator_of(p) for p in policy.policies]),
    policies.Drop: lambda policy: DropEvaluator(policy.name, [evaluator_of(p) for p in policy.policies]),
    policies.Composite: lambda policy: CompositeEvaluator(
        policy.name, [Share(evaluator_of(a.policy), a.spans_per_second) for a in policy.allocations]
    ),
}


def evaluator_of(policy: policies.Policy) -> Evaluator:
    """Return what evaluates a policy; each call makes one with state of its own."""
    return _MAKERS[type(policy)](policy)
