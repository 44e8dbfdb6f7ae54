"""The samplers that a trace has passed before it came here, and its weight in the whole chain of them.

Each sampler leaves its threshold in a span's `tracestate` (`ot=th:…`), and a process with otel_fe leaves the name of the policy
that kept the trace in an attribute. All thresholds are on the same random number, so a span that passed several samplers counts
for as many as the strictest of them says (OpenTelemetry specification, "TraceState: Probability Sampling").
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe import semconv
from otel_fe.model import probability, trace_state
from otel_fe.model.id_keys import trace_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView

IN_THE_PROCESS: Final = " (in the process)"
"""Suffix of the name of a policy that kept a trace in the process that made it."""
_REMEMBERED: Final = 10_000


class Upstream(NamedTuple):
    """The decision of the samplers before this one."""

    threshold: int
    """The least threshold that a span of the trace states."""
    policy: str
    """The policy that kept the trace in the process; empty if unknown, as after a head sampler."""

    @property
    def weight(self) -> float:
        """Return its weight after those samplers."""
        return probability.adjusted_count(self.threshold)

    def as_dict(self) -> dict[str, Any]:
        """Return the entry `upstream` of a decision record."""
        return {"policy": self.policy, "weight": self.weight}


def upstream_of(spans: Iterable[SpanView]) -> Upstream | None:
    """Return what the samplers before this one decided on a trace; None where none of its spans states it."""
    found: Upstream | None = None
    for span in spans:
        if not span.trace_state:
            continue
        stated = trace_state.sampling(span.trace_state).threshold
        if stated is None or (found is not None and stated > found.threshold):
            continue
        policy = policy_of(span)
        if found is None or stated < found.threshold or (policy and not found.policy):
            found = Upstream(stated, policy)
    return found


def policy_of(span: SpanView) -> str:
    """Return the policy that kept a span's trace in its process; empty where the span does not say."""
    stated = span.attributes.get(semconv.SAMPLING_POLICY)
    return stated if isinstance(stated, str) else ""


class Thresholds:
    """The thresholds that the spans of a trace have passed in the whole chain.

    Args:
        spans: Of the trace.
        decision: Of this stage.
    """

    def __init__(self, spans: Iterable[SpanView], decision: Decision) -> None:
        self._decided = decision.threshold
        self._stated: dict[int, int] = {}
        """Keyed by `id` of a resource: the least threshold that one of its spans states."""
        for span in spans:
            stated = trace_state.sampling(span.trace_state).threshold if span.trace_state else None
            if stated is not None:
                place = id(span.resource)
                self._stated[place] = min(stated, self._stated.get(place, stated))

    def of(self, span: SpanView) -> int | None:
        """Return the threshold of a span; None where the probability is not known.

        Where the span states none, another span of its process may: a head sampler of the SDK's writes it on the root
        alone.
        """
        if self._decided is None:
            return None
        stated = trace_state.sampling(span.trace_state).threshold if span.trace_state else None
        if stated is None:
            stated = self._stated.get(id(span.resource), probability.ALWAYS)
        return max(stated, self._decided)


def weight_of(threshold: int | None) -> float | None:
    """Return the weight of a trace; None where the probability is not known."""
    return None if threshold is None else probability.adjusted_count(threshold)


def with_upstream(record: Mapping[str, Any], upstream: Upstream) -> dict[str, Any]:
    """Return the decision record of a kept trace with what the samplers before have decided, and the weight of the whole chain.

    Args:
        record: `DecisionRecord.as_dict`.
        upstream: Of the same trace.
    """
    weight = record["weight"]
    if weight is not None:
        weight = max(weight, upstream.weight)
    before = f"{upstream.policy} ({share(upstream.weight)}) in the process" if upstream.policy else ""
    before = before or f"a sampler before ({share(upstream.weight)})"
    stated = "unknown" if weight is None else amount(weight)
    outcome = f"kept by {before}, then by {record['policy']}, weight {stated}"
    return {**record, "outcome": outcome, "weight": weight, "upstream": upstream.as_dict()}


def share(weight: float) -> str:
    """Return a weight as a share in words: `every one`, `1 of 20`."""
    return "every one" if weight <= 1 else f"1 of {amount(weight)}"


def amount(weight: float) -> str:
    """Return a weight in words."""
    # Thresholds are written with four hexadecimal digits: one in ten is one in 9.999.
    return f"{weight:.3g}" if weight < 100 else f"{weight:.0f}"  # noqa: PLR2004 three digits


class UpstreamDecisions:
    """The upstream decisions of the traces that were kept last. Not thread-safe: the engine holds its lock."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Upstream] = OrderedDict()
        """Keyed by `trace_key`."""

    def note(self, trace_id: int, spans: Iterable[SpanView], decision: Decision) -> None:  # noqa: ARG002 as it is called
        """Remember the upstream decision that the spans of a kept trace state."""
        found = upstream_of(spans)
        if found is not None:
            self._known[trace_key(trace_id)] = found
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def of(self, trace_id: int) -> Upstream | None:
        """Return the upstream decision on a trace; None where there is none, or it is no longer known."""
        return self._known.get(trace_key(trace_id))

    def hand_over(self, successor: UpstreamDecisions) -> None:
        """Transfer all of it to the pipeline that replaces this one."""
        successor._known = self._known
