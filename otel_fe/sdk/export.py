"""Hands kept traces to the SDK's batching, for the exporters that the application or the launcher configured.

The SDK's `BatchSpanProcessor` drops single spans, silently, when its queue is full. Here a trace goes in whole or not at
all, and what did not go in, or could not be sent, is counted by name.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import SpanContext, TraceState

from otel_fe import faults, semconv
from otel_fe.model import trace_state
from otel_fe.sdk.context import is_local_root
from otel_fe.sdk.plain_values import clean
from otel_fe.sdk.span import LeanSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    from otel_fe.model.decision import Decision
    from otel_fe.pipeline.trace import LocalTrace


_EXPORTING: Final = (BatchSpanProcessor, SimpleSpanProcessor)
_SEEING: Final = ("on_start", "_on_ending", "on_end")


def exports(processor: SpanProcessor) -> bool:
    """Return whether a span processor only encodes and sends: the pipeline goes before it.

    All others see every span, a subclass of the SDK's exporting ones among them that looks at spans itself, as Langfuse's does:
    it may add attributes when they start, leave some out when they end, and keep state between the two.
    """
    return any(
        isinstance(processor, kind)
        and all(getattr(type(processor), name) is getattr(kind, name, None) for name in _SEEING)
        and not vars(processor).keys() & set(_SEEING)
        for kind in _EXPORTING
    )


class KeptTraces:
    """The export processors behind the pipeline.

    Args:
        processors: Those that `exports` is true of; each gets every kept trace.
        settled: Called with spans, counted by the policy that kept them, once they have been sent (and an empty
            string) or refused (and the name of that loss).
        profiles: Gets the spans that the others have taken; None where profiles are not sent.
    """

    def __init__(
        self,
        processors: Sequence[SpanProcessor],
        settled: Callable[[Counter[str], str], None],
        profiles: SpanProcessor | None = None,
    ) -> None:
        self.processors = tuple(processors)
        self._profiles = profiles
        self._lock = threading.RLock()
        self._settled = settled
        self._watching = [_watch(processor, settled) for processor in self.processors]

    def __call__(self, trace: LocalTrace, decision: Decision) -> str:
        """Queue the spans of a kept trace; return why they could not be, or an empty string."""
        if not self.processors:
            self._settled(Counter({decision.reason: len(trace.spans)}), "")
            self._profile(trace.spans)
            return ""
        inherited = _threshold_in(trace.entry)
        spans = [_stamped(span, decision, inherited) for span in trace.spans]
        with self._lock:
            if not all(_has_room(processor, len(spans)) for processor in self.processors):
                return "queue_full"
            for processor in self.processors:
                for span in spans:
                    processor.on_end(span)
        self._profile(spans)
        return ""

    def _profile(self, spans: Sequence[Any]) -> None:
        if self._profiles is not None:
            for span in spans:
                self._profiles.on_end(span)

    def flush(self, timeout_millis: int) -> bool:
        """Send what is queued; False if it took longer."""
        results = [processor.force_flush(timeout_millis) for processor in self._all()]
        return all(results)

    def shutdown(self) -> None:
        """Send what is queued and shut the processors down."""
        for processor in self._all():
            processor.shutdown()

    def _all(self) -> tuple[SpanProcessor, ...]:
        return self.processors if self._profiles is None else (*self.processors, self._profiles)

    def renew(self) -> None:
        """Forget a lock that another thread may have held when this process was forked."""
        self._lock = threading.RLock()

    def release(self) -> None:
        """Give the processors back as they were."""
        for undo in self._watching:
            undo()


def _threshold_in(entry: str | None) -> int | None:
    """Return the threshold that the head sampler wrote into a trace's `ot` entry; None where it wrote none."""
    return trace_state.sampling(f"ot={entry}").threshold if entry else None


def _stamped(span: Any, decision: Decision, inherited: int | None) -> ReadableSpan:
    """Return the span for export: its sampling threshold in `tracestate`, and on some the policy in an attribute.

    A head sampler of the SDK's writes its threshold on the root alone. The spans below it were sampled with the root, and so
    inherit it.
    """
    readable: Any = span._readable_span() if isinstance(span, LeanSpan) else span
    clean(readable)
    readable._otel_fe_reason = decision.reason
    context: Any = readable._context
    before = context.trace_state.to_header() if context.trace_state else ""
    threshold = decision.threshold
    if inherited and threshold is not None and threshold < inherited and "ot=" not in before:
        threshold = inherited
    after = trace_state.stamped(before, threshold)
    if after is not None and after != before:
        state = TraceState.from_header([after])
        readable._context = SpanContext(
            context.trace_id, context.span_id, context.is_remote, context.trace_flags, state
        )
    if is_local_root(readable.parent) or readable.name.startswith(semconv.SPAN_NAME):
        readable._attributes = _with_policy(readable._attributes, decision.reason)
    result: ReadableSpan = readable
    return result


def _with_policy(attributes: Any, policy: str) -> Any:
    """Return a copy of a span's attributes with the policy that kept its trace."""
    if not isinstance(attributes, BoundedAttributes):
        return {**(attributes or {}), semconv.SAMPLING_POLICY: policy}
    # One more than the application's limit allows: none of its own attributes makes room.
    copy = BoundedAttributes(attributes={**attributes, semconv.SAMPLING_POLICY: policy})
    copy.dropped = attributes.dropped
    return copy


def _has_room(processor: SpanProcessor, spans: int) -> bool:
    queue = getattr(getattr(processor, "_batch_processor", None), "_queue", None)
    limit = getattr(queue, "maxlen", None)
    return queue is None or limit is None or limit - len(queue) >= spans


class _WatchedExporter(SpanExporter):
    """Passes spans on, and reports the result of each span once, by the first exporter to answer."""

    def __init__(self, exporter: SpanExporter, settled: Callable[[Counter[str], str], None]) -> None:
        self.exporter = exporter
        self._settled = settled

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export, and report the result."""
        try:
            result = self.exporter.export(spans)
        except Exception:
            self._settle(spans, "export_failed")
            raise
        self._settle(spans, "" if result is SpanExportResult.SUCCESS else "export_failed")
        return result

    def _settle(self, spans: Sequence[Any], lost: str) -> None:
        try:
            reasons = (span.__dict__.pop("_otel_fe_reason", None) for span in spans)
            self._settled(Counter(reason for reason in reasons if reason is not None), lost)
        except Exception as fault:
            faults.record("export.settle", fault)

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self.exporter.force_flush(timeout_millis)


def _watch(processor: Any, settled: Callable[[Counter[str], str], None]) -> Callable[[], None]:
    """Put a watched exporter in front of the processor's; return what takes it out again."""
    batch = getattr(processor, "_batch_processor", None)
    owner, name = (batch, "_exporter") if batch is not None else (processor, "span_exporter")
    exporter = getattr(owner, name, None)
    if not isinstance(exporter, SpanExporter):
        return lambda: None
    setattr(owner, name, _WatchedExporter(exporter, settled))
    return lambda: setattr(owner, name, exporter)
