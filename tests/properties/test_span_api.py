"""Random sequences of the tracing API, run by an adopted tracer and by one of the SDK's: all that can be observed is the same.

`make test` tries some hundred sequences, `make fuzz` 11 000 (`SPAN_SEQUENCES`).
"""

from __future__ import annotations

import contextvars
import copy
import json
import logging
import os
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from otel_fe import semconv
from otel_fe.config.settings import Settings
from otel_fe.instrument.process import ProcessPipeline
from otel_fe.sdk.span import LeanSpan

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENCES = int(os.environ.get("SPAN_SEQUENCES", "300"))
REMOTE = SpanContext(
    0xABCDEF, 7, is_remote=True, trace_flags=TraceFlags(3), trace_state=TraceState([("vendor", "1"), ("ot", "rv:12")])
)
UNSAMPLED = SpanContext(0xABCD, 8, is_remote=True, trace_flags=TraceFlags(0))
PARENTS: dict[str, Context | None] = {
    "current": None,
    "none": Context(),
    "remote": trace.set_span_in_context(NonRecordingSpan(REMOTE), Context()),
    "unsampled": trace.set_span_in_context(NonRecordingSpan(UNSAMPLED), Context()),
}
LINKED = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))


class Text(str):
    """A text of an application's own type."""

    __slots__ = ()


VALUES = st.one_of(
    st.text(max_size=12),
    st.integers(-9, 9),
    st.booleans(),
    st.floats(allow_nan=False),
    st.none(),
    st.binary(max_size=3),
    st.builds(Text, st.text(max_size=3)),
    st.lists(st.text(max_size=3), max_size=3),
    st.tuples(st.integers(), st.booleans()),
    st.dictionaries(st.text(min_size=1, max_size=2), st.integers(), max_size=2),
)
KEYS = st.sampled_from(["a", "b", "c", "d", "e", "", 7, Text("b")])
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=4)
SMALL = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)
TIMES = st.one_of(st.none(), st.integers(1, 9))
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(SpanKind),
        "attributes": st.one_of(st.none(), ATTRIBUTES),
        "links": st.sampled_from([(), None, [Link(LINKED, {"l": 1})]]),
        "start_time": TIMES,
        "record_exception": st.booleans(),
        "set_status_on_exception": st.booleans(),
    },
)
CODES = st.sampled_from([StatusCode.OK, StatusCode.ERROR, StatusCode.UNSET])
WHICH = st.integers(0, 5)


def _named(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), *arguments)


STEPS = st.one_of(
    _named("start", st.sampled_from(sorted(PARENTS)), OPTIONS),
    _named("enter", OPTIONS, st.booleans()),
    _named("leave", st.sampled_from([None, ValueError("x"), KeyError("k"), KeyboardInterrupt()])),
    _named("with", WHICH, st.sampled_from([None, ValueError("x"), KeyboardInterrupt()])),
    _named("set_attribute", WHICH, KEYS, VALUES),
    _named("set_attributes", WHICH, ATTRIBUTES),
    _named("add_event", WHICH, st.text(max_size=3), st.one_of(st.none(), SMALL), TIMES),
    _named("add_link", WHICH, st.just(LINKED), SMALL),
    _named("update_name", WHICH, st.text(max_size=3)),
    _named("set_status", WHICH, CODES, st.sampled_from([None, "why"])),
    _named("set_status", WHICH, st.just(Status(StatusCode.ERROR, "why")), st.sampled_from([None, "ignored"])),
    _named("record_exception", WHICH, st.just(ValueError("x")), st.one_of(st.none(), SMALL)),
    _named("end", WHICH, TIMES),
    _named("view", WHICH),
    _named("copy", WHICH),
    _named("look"),
)


class Performer:
    """One tracer, and the spans that it has started so far."""

    def __init__(self, provider: TracerProvider) -> None:
        self.tracer = provider.get_tracer("t", "1")
        self.spans: list[Any] = []
        self.entered: list[Any] = []
        self.views: list[Any] = []
        self._context = contextvars.Context()
        """Of its own, so that it is not inside the other one's spans."""

    def perform(self, step: tuple[Any, ...]) -> Any:
        """Return what a step answers, or the type of its error."""
        name, *arguments = step
        try:
            return self._context.run(getattr(self, f"_{name}", self._call), name, *arguments)
        except BaseException as error:  # noqa: BLE001 the same error must come from both
            return type(error)

    def _call(self, name: str, which: int, *arguments: Any) -> Any:
        return getattr(self.spans[which % len(self.spans)], name)(*arguments) if self.spans else None

    def _start(self, _name: str, parent: str, options: dict[str, Any]) -> None:
        self.spans.append(self.tracer.start_span(f"s{len(self.spans)}", PARENTS[parent], **options))

    def _enter(self, _name: str, options: dict[str, Any], end_on_exit: bool) -> None:  # noqa: FBT001
        name = f"s{len(self.spans)}"
        block = self.tracer.start_as_current_span(name, end_on_exit=end_on_exit, **options)
        self.spans.append(block.__enter__())
        self.entered.append(block)

    def _leave(self, _name: str, error: BaseException | None) -> Any:
        if not self.entered:
            return None
        return bool(self.entered.pop().__exit__(None if error is None else type(error), error, None))

    def _with(self, _name: str, which: int, error: BaseException | None) -> Any:
        if not self.spans:
            return None
        span = self.spans[which % len(self.spans)]
        entered = span.__enter__()
        return entered is span, span.__exit__(None if error is None else type(error), error, None)

    def _view(self, _name: str, which: int) -> None:
        if self.spans:
            self.views.append(getattr(self.spans[which % len(self.spans)], "attributes", None))

    def _copy(self, _name: str, which: int) -> Any:
        if not self.spans:
            return None
        span = self.spans[which % len(self.spans)]
        copied = copy.copy(span)
        return type(copied) is type(span), content(copied, {}) == content(span, {}), weakref.ref(copied)() is copied

    def _look(self, _name: str) -> list[Any]:
        return self.seen()

    def close(self) -> None:
        """Leave what is still entered, and end what is still open."""
        while self.entered:
            self.perform(("leave", None))
        for span in self.spans:
            if span.is_recording():
                span.end()

    def seen(self) -> list[Any]:
        """Return all that can be seen of the spans now, ids and given times apart."""
        ids = {span.get_span_context().span_id: index for index, span in enumerate(self.spans)}
        current = trace.get_current_span().get_span_context().span_id
        return [[content(span, ids) for span in self.spans], [_plain(view) for view in self.views], ids.get(current)]


def _plain(attributes: Any) -> Any:
    return None if attributes is None else list(attributes.items())


def content(span: Any, ids: dict[int, int]) -> dict[str, Any]:
    """Return all that a span says; ids as numbers of spans, and times only where they were given."""
    context = span.get_span_context()
    found: dict[str, Any] = {
        "recording": span.is_recording(),
        "flags": context.trace_flags,
        "state": context.trace_state.to_header(),
        "remote": context.is_remote,
    }
    if not isinstance(span, Span):
        return found
    parent = span.parent
    return found | {
        "name": span.name,
        "attributes": _plain(span.attributes),
        "events": [(e.name, _event(e.attributes), _given(e.timestamp)) for e in span.events],
        "links": [(link.context, _plain(link.attributes)) for link in span.links],
        "status": (span.status.status_code, span.status.description),
        "kind": span.kind,
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "parent": None if parent is None else ids.get(parent.span_id, (parent.trace_id, parent.span_id)),
        "times": (_given(span.start_time), _given(span.end_time)),
        "scope": (span.instrumentation_scope.name, span.instrumentation_scope.version),
        "resource": span.resource.attributes.keys(),
        "json": _json(span),
    }


def _json(span: Span) -> Any:
    try:
        return sorted(json.loads(span.to_json()))
    except TypeError as error:  # bytes
        return str(error)


def _given(time_ns: int | None) -> int | str | None:
    return time_ns if time_ns is None or time_ns < 10 else "now"  # noqa: PLR2004 see TIMES


def _event(attributes: Any) -> Any:
    """Return an event's attributes; of a stack trace the last line: the SDK's own frames are in it."""
    return [
        (key, value.splitlines()[-1:] if key == "exception.stacktrace" and isinstance(value, str) else value)
        for key, value in (attributes or {}).items()
    ]


@contextmanager
def both(limits: dict[str, int]) -> Iterator[tuple[TracerProvider, TracerProvider, list[InMemorySpanExporter]]]:
    """Make a provider whose tracers are adopted, and one of the SDK's, each with an exporter."""
    logging.disable(logging.CRITICAL)
    exporters = [InMemorySpanExporter(), InMemorySpanExporter()]
    ours, theirs = (TracerProvider(span_limits=SpanLimits(**limits), shutdown_on_exit=False) for _ in exporters)
    for provider, exporter in zip((ours, theirs), exporters, strict=True):
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    pipeline = ProcessPipeline(Settings(baseline_ratio=1.0), ours, None)
    pipeline.install()
    try:
        yield ours, theirs, exporters
    finally:
        pipeline.remove()
        logging.disable(logging.NOTSET)


def _exported(exporter: InMemorySpanExporter) -> list[Any]:
    """Return what was exported, by name; all but ids, stack traces, and what sampling adds."""
    return sorted(
        (
            *(span.name, span.kind.name, len((span.attributes or {}).keys() - {semconv.SAMPLING_POLICY})),
            *(len(span.events), len(span.links), span.status.status_code.name),
        )
        for span in exporter.get_finished_spans()
    )


@settings(max_examples=SEQUENCES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(STEPS, max_size=24),
    limits=st.sampled_from(
        [{}, {"max_span_attributes": 2}, {"max_span_attribute_length": 3}, {"max_events": 1, "max_links": 1}]
    ),
)
def test_a_sequence_of_calls_has_the_same_outcome(steps, limits):
    """Whatever is called in whatever order, each call answers the same, and the spans say the same at the end and at each look.

    Not after each call: looking at a span's attributes makes the SDK's own dictionary of them, which ends the fast path.
    """
    with both(limits) as (ours, theirs, exporters):
        sides = [Performer(ours), Performer(theirs)]
        try:
            for number, step in enumerate(steps):
                outcomes = [side.perform(step) for side in sides]
                assert outcomes[0] == outcomes[1], (number, step)
            seen = [side.perform(("look",)) for side in sides]
            assert seen[0] == seen[1]
        finally:
            for side in sides:
                side.close()
        assert all(type(span) in (LeanSpan, NonRecordingSpan) for span in sides[0].spans)
    # After the pipeline, which has decided everything then: its thread may have been at it.
    assert _exported(exporters[0]) == _exported(exporters[1])
