"""From the settings of a policy to what evaluates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import process_policies as policies
from otel_fe.pipeline.policies.latency import least_duration
from otel_fe.pipeline.policies.probabilistic import ConsistentShareEvaluator
from otel_fe.pipeline.policies.slo_breach import SloBreachEvaluator
from otel_fe.pipeline.policies.status_code import StatusCodeEvaluator

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.pipeline.policies.evaluator import Evaluator

_MAKERS: Final[dict[type, Callable[[Any], Evaluator]]] = {
    policies.LeastDuration: least_duration,
    policies.SloBreach: lambda policy: SloBreachEvaluator(policy.name),
    policies.ConsistentShare: ConsistentShareEvaluator,
    policies.StatusCode: StatusCodeEvaluator,
}
"""Those of a process without a configuration."""


def evaluator_of(policy: policies.Policy) -> Evaluator:
    """Return the evaluator of a policy; each call makes one with its own state."""
    make = _MAKERS.get(type(policy))
    if make is not None:
        return make(policy)
    from otel_fe.pipeline.policies.further import MAKERS  # noqa: PLC0415 a process starts a tenth faster without

    return MAKERS[type(policy)](policy, evaluator_of)
