"""A traces pipeline with `tail_sampling`: spans in, kept traces out."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from otel_fe.clock import FAR_NS
from otel_fe.collector.exporters.payload import QUEUE_FULL
from otel_fe.collector.graph.batcher import Batcher
from otel_fe.collector.graph.fanout import Fanout
from otel_fe.collector.refusals import PressureError, refusal
from otel_fe.config.policies import And, BytesLimiting, Composite, Drop, Not
from otel_fe.model import trace_state
from otel_fe.pipeline.compiled_sampler import tail_sampler
from otel_fe.pipeline.counters import Counters
from otel_fe.pipeline.upstream import UpstreamDecisions
from otel_fe.wire.encode import encode
from otel_fe.wire.span import WireSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.exporter import Exporter
    from otel_fe.config.policies import TailSampling
    from otel_fe.config.process_policies import Policy
    from otel_fe.config.processors import BatchProcessor as BatchSettings
    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.records import DecisionRecords
    from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector
    from otel_fe.wire.batch import Batch

    Kept = tuple[Sequence[Any], Decision]
    OnKept = Callable[[int, Sequence[SpanView], Decision], None]

_EARLIER: Final = 2
_PAUSE_NS: Final = 150_000_000
"""Between two sends."""
_RETRY_NS: Final = 1_000_000_000
"""Between two attempts to deliver held payloads."""


class SampledPipeline:
    """Decides traces and sends those that are kept. Not thread-safe but for `send`: the graph holds its lock.

    Args:
        name: The pipeline's id.
        settings: Of its `tail_sampling` processor.
        exporters: At its end, by id.
        batch: Of a `batch` processor behind the sampler; None where there is none. One before it has nothing to do: spans are
            handed to the sampler as they come, and are not in requests there.
        clock: Both clocks.
        safe: The exporters among them that answer for what they take. With one, what is kept is sent within the request that it
            came with, however many there are; what it has no room for is held, and meanwhile nothing new is taken.
    """

    def __init__(
        self,
        name: str,
        settings: TailSampling,
        exporters: Mapping[str, Exporter],
        batch: BatchSettings | None,
        clock: Clock,
        *,
        safe: Collection[str] = (),
    ) -> None:
        self.name = name
        self.settings = settings
        self.sized = asks_for_sizes(settings)
        self.counters = Counters()
        self.sampler = tail_sampler(WireSpan, settings, clock, self._deliver, counters=self.counters)
        self.outlets = Fanout("traces", exporters, self.counters, safe)
        self.behind: list[SpanMetricsConnector] = []
        """Connectors at its end, which count what is kept, by its weight."""
        self.upstream = UpstreamDecisions()
        self.prompt = bool(safe) or settings.block_on_overflow
        """Whether spans must be processed before their sender is answered, so that it can be told that there is no room."""
        self.on_kept: list[OnKept] = [self.upstream.note]
        """Callbacks for kept spans: the trace's id, the spans, the decision."""
        self.offered_to: list[Callable[[Iterable[SpanView]], None]] = []
        """Take kept spans for exemplars; those of all traces of a request at once, which costs a third."""
        self.earlier_records: list[DecisionRecords] = []
        """Decisions of the samplers before this one, newest first."""
        self._clock = clock
        self._to_offer: list[Sequence[SpanView]] = []
        self._gathering: Batcher[Kept] = Batcher(batch, 0 if safe or batch is not None else _PAUSE_NS)

    # --- under the engine's lock ---------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse new spans while a durable queue has no room for those that are kept already.

        And where all places are taken and the configuration wants back-pressure rather than early decisions.

        Raises:
            RefusedError: A durable queue has no room.
        """
        refused = self.outlets.retry()
        if refused is not None:
            raise refusal(*refused)
        if full := self.outlets.full_safe:
            raise refusal(full, QUEUE_FULL)
        if self.settings.block_on_overflow and self.sampler.pending[0] >= self.settings.num_traces:
            raise PressureError("num_traces", f"{self.settings.num_traces} traces are waiting for their decision")

    def receive(self, batch: Batch, now_ns: int) -> None:
        """Add the spans of a request."""
        self.sampler.receive_all(batch.traces, now_ns)
        self._offer()

    def tick(self) -> None:
        """Decide what is due."""
        self.sampler.tick()
        self._offer()

    def close(self) -> None:
        """Decide what is pending."""
        self.sampler.close()
        self._offer()

    def take_due(self, now_ns: int, *, all_of_it: bool = False) -> list[Kept]:
        """Remove and return the kept spans that are due to be sent."""
        return self._gathering.take() if all_of_it else self._gathering.take_due(now_ns)

    @property
    def due_ns(self) -> int:
        """When `tick` has something to decide, or `take_due` to give."""
        again_ns = self._clock.monotonic_ns() + _RETRY_NS if self.outlets.holds else FAR_NS
        return min(self._gathering.due_ns, self.sampler.due_ns, again_ns)

    def succeed(self, before: SampledPipeline) -> None:
        """Take over the counts, pending traces and decisions of the pipeline that this one replaces."""
        self.counters = before.counters
        self.outlets.succeed(before.outlets)
        old = before.sampler
        self.earlier_records = before.earlier_records
        before.upstream.hand_over(self.upstream)
        if self.settings == before.settings:
            self.sampler = old
            old.deliver = self._deliver
        else:
            self.sampler.counters = before.counters
            self.earlier_records = [old.records, *before.earlier_records][:_EARLIER]
            old.hand_over(self.sampler)
            self._offer()
        for part in before.take_due(0, all_of_it=True):
            self._gathering.add(part, len(part[0]), self._clock.monotonic_ns())

    @property
    def taken(self) -> int:
        """Spans that it was given, decided or not."""
        return self.counters.received + int(self.sampler.pending[1])

    @property
    def held(self) -> int:
        """Kept spans that wait for more; they are counted as queued."""
        return self._gathering.items

    def _deliver(self, trace_id: int, spans: Sequence[SpanView], decision: Decision) -> str:
        self._gathering.add((spans, decision), len(spans), self._clock.monotonic_ns())
        if self.behind:
            weighted = with_decision(spans, decision)
            for connector in self.behind:
                connector.record(weighted)
                connector.offer(weighted)
        if self.offered_to:
            self._to_offer.append(spans)
        for callback in self.on_kept:
            callback(trace_id, spans, decision)
        return ""

    def _offer(self) -> None:
        if self._to_offer:
            spans = list(chain.from_iterable(self._to_offer))
            self._to_offer = []
            for offer in self.offered_to:
                offer(spans)

    # --- without it ----------------------------------------------------------------------------------------------------

    def send(self, kept: Sequence[Kept]) -> None:
        """Encode kept spans and hand them to the exporters."""
        if self.outlets.holds:
            self.outlets.retry()
        reasons = _Reasons(kept)
        for data, spans in encode(kept):
            self.outlets.deliver(data, reasons.of_next(spans))


class _Reasons:
    """Return the reasons for which spans are kept, in the order in which they are encoded."""

    def __init__(self, kept: Sequence[Kept]) -> None:
        self._groups = iter(kept)
        self._reason = ""
        self._left = 0

    def of_next(self, spans: int) -> Counter[str]:
        """Return the reasons of the next so many spans."""
        found: Counter[str] = Counter()
        while spans:
            if not self._left:
                group, decision = next(self._groups)
                self._reason, self._left = decision.reason, len(group)
            part = min(spans, self._left)
            found[self._reason] += part
            self._left -= part
            spans -= part
        return found


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


def with_decision(spans: Iterable[SpanView], decision: Decision) -> list[SpanView]:
    """Return copies of spans with the `tracestate` that they are sent with; the given ones are unchanged."""
    return [_stamped(span, decision) for span in spans]


def _stamped(span: SpanView, decision: Decision) -> SpanView:
    after = trace_state.stamped(span.trace_state, decision.threshold)
    if after is None or after == span.trace_state:
        return span
    wire: WireSpan = span  # type: ignore[assignment]  # all that the engine is handed come off the wire
    copy = wire.copied()
    copy.trace_state = after
    return copy
