"""`trace_state`: by an entry of any span's `tracestate`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from otel_fe.model import trace_state
from otel_fe.model.vote import NO, YES, Vote
from otel_fe.pipeline.policies.evaluator import SpanEvaluator

if TYPE_CHECKING:
    from otel_fe.config.policies import TraceState
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.buffered_trace import BufferedTrace

_LONGEST: Final = 256


class TraceStateEvaluator(SpanEvaluator):
    """Samples a trace with a span whose `tracestate` has the entry with one of the wanted values."""

    __slots__ = ("_key", "_matches")

    def __init__(self, policy: TraceState) -> None:
        super().__init__(policy.name)
        self._key = policy.key
        # A longer entry cannot occur in a tracestate.
        wanted = frozenset(v for v in policy.values if v and len(policy.key) + len(v) < _LONGEST)

        @functools.lru_cache(1_024)
        def matches(text: str) -> bool:
            return dict(trace_state.members(text) or ()).get(policy.key) in wanted

        self._matches = matches

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by the first span that has it."""
        return self.first_match(trace) or NO

    def match(self, span: SpanView) -> Vote | None:
        """Match the entry."""
        return YES if span.trace_state and self._matches(span.trace_state) else None

    def describe(self, seen: object) -> str:  # noqa: ARG002 the entry may be a secret
        """Return the entry's key."""
        return f"tracestate entry {self._key}"
