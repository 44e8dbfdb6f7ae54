"""Whether a configuration asks how large traces are: counting their bytes costs something for every span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.config.policies import And, BytesLimiting, Composite, Drop, Not

if TYPE_CHECKING:
    from otel_fe.config.policies import Policy, TailSampling


def asks_for_sizes(settings: TailSampling) -> bool:
    """Return whether a bound or a policy compares bytes."""
    return bool(settings.maximum_trace_size_bytes) or any(map(_asks, settings.policies))


def _asks(policy: Policy) -> bool:
    if isinstance(policy, Not):
        return _asks(policy.policy)
    if isinstance(policy, (And, Drop)):
        return any(map(_asks, policy.policies))
    if isinstance(policy, Composite):
        return any(_asks(allocation.policy) for allocation in policy.allocations)
    return isinstance(policy, BytesLimiting)
