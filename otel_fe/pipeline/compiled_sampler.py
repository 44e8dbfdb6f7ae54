"""Tail sampling in C: the decisions of `TailSampler`, for any policies and any number of pending traces.

A pending trace is a row of `compiled.backend.Waiting`, and its spans rest there as bytes. A *leaf* is a policy without policies in
it; for each, the row has a bit: whether the leaf samples the trace, by the sums of all spans or by the first span that matches.
`Sampler` decides once for each combination of bits, and the decision is remembered: `and`, `not` and `drop` cost nothing. A policy
that C does not know is evaluated span by span, and only for spans that differ from those before. Traces compete for the budgets of
limiters in C, too, wherever these are nested: whether a trace competes is asked once for each combination of bits and of the
outcomes of the budgets before.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled
from otel_fe.clock import FAR_NS
from otel_fe.model import trace_state
from otel_fe.pipeline.buffered_trace import BufferedTrace
from otel_fe.pipeline.decision_cache import key_of
from otel_fe.pipeline.packed_decisions import TRIGGERS, DecisionPolicies, DecisionUnpacker
from otel_fe.pipeline.pending_segments import pending_segments
from otel_fe.pipeline.policies.evaluator import SpanEvaluator
from otel_fe.pipeline.policies.leaves import NOTHING, Leaves
from otel_fe.pipeline.tail_sampler import (
    ABANDONED,
    NUM_TRACES,
    ROUND_NS,
    SHUTDOWN,
    TOO_LARGE,
    TRACE_SIZE,
    TailSampler,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from otel_fe.compiled.trace_protocols import PendingTraces
    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.packed_decisions import Row
    from otel_fe.pipeline.tail_sampler import Arrived

    Kept = tuple[int, list[SpanView], Decision, bytes]
    """Its id, its spans, the decision, the record."""


class CompiledTailSampler(TailSampler):
    """A `TailSampler` whose pending traces are in C.

    Args:
        kind: What a span becomes when it is kept: a class below `compiled.backend.Head`.
        arguments: Those of `TailSampler`; but for `records`, which are its own.
        settings: As well.
    """

    def __init__(self, kind: type, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._leaves = leaves = Leaves(self.sampler.policies)
        pools = self.sampler.pools
        self._pools = [pool for pool, _ in pools]
        self._competing = [competes for _, competes in pools]
        unpacker = DecisionUnpacker(self.sampler, leaves, self._pools)
        self._stand_in = unpacker.trace_of
        self._put = self.records.packed(unpacker.entry_of, self._described())
        self._waiting: PendingTraces = compiled.backend.Waiting(  # type: ignore[union-attr]
            leaves.words,
            kind,
            leaves.ask,
            _told,
            self._decided,
            self._final,
            self._final_bits() if self._keep_early else 0,
            self._settings.decision_wait_after_root_received_ns > 0,
            [(pool.by_bytes, pool.most, pool.budget, pool.settle) for pool in self._pools],
            self._competes,
            pending_segments(),
        )

    def _described(self) -> DecisionPolicies:
        settings = self._settings
        return DecisionPolicies(
            settings.policies, self._leaves, len(self._pools), first_match=settings.sample_on_first_match
        )

    def _final_bits(self) -> int:
        """Return the bits of leaves without which no vote is final."""
        found = 0
        for leaf, place in zip(self._leaves.evaluators, self._leaves.places, strict=True):
            rule = leaf.rule
            if rule is None or rule.by != "hash" or not rule.threshold:
                found |= 1 << place.matched
        return found

    # --- spans in ----------------------------------------------------------------------------------------------------

    def receive_all(self, traces: Iterable[Arrived], now_ns: int) -> None:
        """Add the spans of a request."""
        if not isinstance(traces, compiled.backend.Traces):  # type: ignore[union-attr]
            super().receive_all(traces, now_ns)
            return
        settings = self._settings
        followed: list[Any] = []
        kept: list[Kept] = []
        try:
            self._waiting.receive(
                traces,
                self._remembered,
                now_ns,
                self._clock.time_ns(),
                settings.maximum_trace_size_bytes,
                settings.num_traces,
                self._make_room,
                self._drop_large,
                followed,
                kept,
            )
        finally:  # what is decided stays decided, should a policy raise
            for decision, trace_id, spans, number, errors in followed:
                self._count_followed(number, errors, decision)
                self.records.note_later(trace_id, number, errors)
                if decision.sampled:
                    self.counters.kept(number, self.deliver(trace_id, spans, decision))
            self._keep(kept)

    def receive(self, trace_id: int, spans: Sequence[SpanView], size_bytes: int, now_ns: int) -> None:
        """Add spans that have arrived together."""
        if self._waiting.row(trace_id) is None:
            decision = self._remembered[key_of(trace_id)]
            if decision is not None:
                self._follow(trace_id, spans, size_bytes, decision)
                return
        self._add_objects(trace_id, spans, size_bytes, now_ns, now_ns)

    def restore(
        self, trace_id: int, spans: Sequence[SpanView], size_bytes: int, arrived_ns: int, root_received_ns: int
    ) -> None:
        """Add a pending trace of another sampler, or of an earlier process."""
        if self._waiting.row(trace_id) is not None or self._remembered[key_of(trace_id)] is not None:
            self.receive(trace_id, spans, size_bytes, arrived_ns)
            return
        self._add_objects(trace_id, spans, size_bytes, arrived_ns, root_received_ns or arrived_ns)

    def _add_objects(
        self, trace_id: int, spans: Sequence[SpanView], size_bytes: int, arrived_ns: int, now_ns: int
    ) -> None:
        sums, held = BufferedTrace(trace_id, arrived_ns), list(spans)
        sums.add(held, size_bytes, now_ns)
        settings, waiting = self._settings, self._waiting
        answers = [
            next((said for span in held if (said := self._leaves.ask(number, span)) is not NOTHING), NOTHING)
            if isinstance(leaf, SpanEvaluator)
            else NOTHING
            for number, leaf in enumerate(self._leaves.evaluators)
        ]
        waiting.add_objects(
            sums, held, answers, arrived_ns, sums.root_received_ns, settings.num_traces, self._make_room
        )
        if settings.maximum_trace_size_bytes:
            row = waiting.row(trace_id)
            if row is not None and self._stand_in(row).size_bytes > settings.maximum_trace_size_bytes:
                self._drop_large(row)
                return
        kept = waiting.settle(trace_id, self._remembered, self._clock.time_ns())
        if kept is not None:
            self._keep([(trace_id, *kept)])

    def _make_room(self) -> None:
        self._decide_round(self._waiting.decide_oldest, NUM_TRACES)

    def _drop_large(self, row: Row) -> None:
        self._conclude_row(row, TRACE_SIZE, TOO_LARGE, ())

    # --- decisions out ------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> tuple[int, int]:
        """Return how many traces are not decided, and how many spans they hold."""
        found: tuple[int, int] = self._waiting.pending
        return found

    @property
    def pending_bytes(self) -> int:
        """Memory that they take."""
        found: int = self._waiting.size_bytes
        return found

    def pending_traces(self) -> Iterator[BufferedTrace]:
        """Yield the traces that are not decided, the oldest first."""
        # One by one: objects for the spans of all of them would take several times the memory of their bytes.
        for trace_id in self._waiting.ids():
            row = self._waiting.row(trace_id)
            if row is not None:
                trace = self._stand_in(row)
                trace.spans = self._waiting.held(trace_id)
                yield trace

    def pending_trace(self, trace_id: int) -> BufferedTrace | None:
        """Return a trace that is not decided, without its spans; None where there is no such trace."""
        row = self._waiting.row(trace_id)
        return None if row is None else self._stand_in(row)

    def hand_over(self, successor: TailSampler) -> None:
        """Transfer all pending traces and remembered decisions to a sampler with other policies."""
        successor.remember(self._remembered)
        for trace in self.pending_traces():
            successor.restore(trace.trace_id, trace.spans, trace.size_bytes, trace.arrived_ns, trace.root_received_ns)
            self._waiting.take(trace.trace_id, False)

    @property
    def due_ns(self) -> int:
        """When `tick` has something to do, at the earliest; far away where nothing waits. Monotonic time."""
        settings, due_ns = self._settings, FAR_NS
        oldest_ns, root_received_ns = self._waiting.oldest_ns, self._waiting.root_received_ns
        if oldest_ns is not None:
            due_ns = oldest_ns + settings.decision_wait_ns
        if root_received_ns is not None:
            due_ns = min(due_ns, root_received_ns + settings.decision_wait_after_root_received_ns)
        return due_ns if due_ns == FAR_NS else -(-due_ns // ROUND_NS) * ROUND_NS

    def tick(self) -> None:
        """Decide what is due."""
        until_ns = self._clock.monotonic_ns() // ROUND_NS * ROUND_NS
        arrived_ns = until_ns - self._settings.decision_wait_ns
        root_received_ns = until_ns - self._settings.decision_wait_after_root_received_ns
        self._decide_until(arrived_ns, root_received_ns)

    def close(self) -> None:
        """Decide all pending traces with the spans they have, or drop them if configured so."""
        if self._settings.drop_pending_traces_on_shutdown:
            for row, _ in self._waiting.due(_ALWAYS_NS, _ALWAYS_NS):
                self._conclude_row(row, SHUTDOWN, ABANDONED, ())
        else:
            self._decide_until(_ALWAYS_NS, _ALWAYS_NS, SHUTDOWN)

    def _decide_until(self, arrived_ns: int, root_received_ns: int, trigger: str = "") -> None:
        self._decide_round(functools.partial(self._waiting.decide_due, arrived_ns, root_received_ns), trigger)

    def _decide_round(self, decide: Callable[..., None], trigger: str) -> None:
        """Decide a round of traces; without a trigger, the wait of each is what is recorded."""
        clock, number = self._clock, TRIGGERS.index(trigger) if trigger else 0
        sampled: list[Kept] = []
        others: list[int] = []
        try:
            decide(self._remembered, self._put, clock.monotonic_ns(), clock.time_ns(), number, sampled, others)
        finally:  # what is decided stays decided, should a policy raise
            counters = self.counters
            with counters.lock:
                counters.received += sum(others)
                counters.not_sampled += sum(others)
                counters.traces_not_sampled += len(others)
                if trigger:
                    counters.evicted[trigger] += len(others) + len(sampled)
            self._keep(sampled)

    def _keep(self, kept: Iterable[Kept]) -> None:
        """Record and deliver traces that are kept."""
        counters = self.counters
        for trace_id, spans, decision, record in kept:
            with counters.lock:
                counters.received += len(spans)
                counters.traces[decision.reason] += 1
            self._put(record)
            counters.kept(len(spans), self.deliver(trace_id, spans, decision))

    def _conclude_row(self, row: Row, trigger: str, decision: Decision, votes: tuple[Vote, ...]) -> None:
        self._conclude_trace(self._stand_in(row), trigger, decision, votes)

    def _conclude_trace(self, trace: BufferedTrace, trigger: str, decision: Decision, votes: tuple[Vote, ...]) -> None:
        trace.spans = self._waiting.take(trace.trace_id, decision.sampled)
        trace.key = key_of(trace.trace_id)
        self._carry_out(trace, trigger, decision, votes)

    # --- rows as traces -----------------------------------------------------------------------------------------------

    def _decided(self, row: Row) -> Decision:
        return self.sampler.decide(self._stand_in(row))[0]

    def _final(self, row: Row) -> Decision | None:
        verdict = self.sampler.final(self._stand_in(row))
        return None if verdict is None else verdict[0]

    def _competes(self, row: Row, number: int) -> bool:
        return self._competing[number](self._stand_in(row))


_ALWAYS_NS: Final = (1 << 63) - 1


def _told(state: str) -> tuple[int | None, bool]:
    """Return the randomness that a `tracestate` states, and whether it says how the span was sampled."""
    found = trace_state.sampling(state)
    return found.randomness, found.threshold is not None


def tail_sampler(kind: type, *arguments: Any, **settings: Any) -> TailSampler:
    """Return the sampler of a `tail_sampling` processor: in C where that is there (`OTEL_FE_COMPILED`), else the plain one.

    Takes what `CompiledTailSampler` takes.
    """
    if compiled.backend is None:
        return TailSampler(*arguments, **settings)
    return CompiledTailSampler(kind, *arguments, **settings)
