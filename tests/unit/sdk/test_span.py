"""A lean span is the SDK's span in all that can be observed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    Span,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags, TraceState

from otel_fe.config.settings import Settings
from otel_fe.instrument.process import ProcessPipeline
from otel_fe.sdk.span import LeanSpan

CONTEXT = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))


def lean(limits=None, sampler=None, **more):
    """Return a provider whose tracers are lean, and its pipeline."""
    provider = TracerProvider(span_limits=limits, sampler=sampler, shutdown_on_exit=False, **more)
    pipeline = ProcessPipeline(Settings(baseline_ratio=1.0), provider, None)
    return provider, pipeline


class Seen(SpanProcessor):
    """Notes what a processor is shown."""

    def __init__(self) -> None:
        self.calls = []

    def on_start(self, span, parent_context=None):
        """Note a start."""
        assert isinstance(span, Span)
        span.set_attribute("seen", True)
        self.calls.append(("start", span.name, span.get_span_context().span_id))

    def _on_ending(self, span):
        self.calls.append(("ending", span.name, span.get_span_context().span_id))

    def on_end(self, span):
        """Note an end."""
        assert span.attributes["seen"] is True
        assert span.end_time is not None
        self.calls.append(("end", span.name, span.context.span_id))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_processor_of_the_users_sees_every_span(when):
    """Added before or after the pipeline, it gets each start and each end, with a readable span."""
    provider, pipeline = lean()
    seen = Seen()
    if when == "before":
        provider.add_span_processor(seen)
    pipeline.install()
    if when == "after":
        provider.add_span_processor(seen)
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    pipeline.remove()
    assert [call[:2] for call in seen.calls] == [
        ("start", "outer"),
        ("start", "inner"),
        ("ending", "inner"),
        ("end", "inner"),
        ("ending", "outer"),
        ("end", "outer"),
    ]


def test_exporters_that_were_there_get_only_kept_traces_and_later_ones_get_all():
    """Batch and simple processors adopted at first go behind the pipeline; what is added later is the user's own choice."""
    before, after = InMemorySpanExporter(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(before))
    pipeline = ProcessPipeline(Settings(baseline_ratio=0.0), provider, None)
    pipeline.install()
    provider.add_span_processor(SimpleSpanProcessor(after))
    tracer = provider.get_tracer("t")
    for number in range(10):
        with tracer.start_as_current_span(f"s{number}") as span:
            if number == 3:
                span.set_status(StatusCode.ERROR)
    provider.force_flush()
    (kept,) = before.get_finished_spans()
    assert kept.name == "s3"
    assert kept.context.trace_state.get("ot") == "th:0"
    assert len(after.get_finished_spans()) == 10
    pipeline.remove()
    provider.shutdown()


def test_everything_is_put_back():
    """After removal, provider, tracers, processors and exporters are what they were."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    early = provider.get_tracer("early")
    pipeline = ProcessPipeline(Settings(), provider, None)
    pipeline.install()
    late = provider.get_tracer("late")
    assert type(early.start_span("x")) is LeanSpan
    pipeline.remove()
    assert (type(early), type(late)) == (Tracer, Tracer)
    assert provider._active_span_processor._span_processors == (processor,)
    assert processor.span_exporter is exporter
    assert "get_tracer" not in vars(provider)
    early.start_span("plain").end()
    assert [span.name for span in exporter.get_finished_spans()] == ["plain"]


class Keywords(SpanProcessor):
    """Takes the context by name only."""

    def __init__(self):
        self.contexts = []

    def on_start(self, span, *, parent_context=None):
        """Note it."""
        self.contexts.append(parent_context)


class Rest(Keywords):
    """Takes what there is."""

    def on_start(self, span, **rest):
        """Note it."""
        self.contexts.append(rest["parent_context"])


@pytest.mark.parametrize("kind", [Keywords, Rest])
def test_processors_get_the_context_by_its_name(kind):
    """Processors get `parent_context` by keyword, as from the SDK."""
    provider, pipeline = lean()
    provider.add_span_processor(processor := kind())
    pipeline.install()
    context = trace.set_span_in_context(trace.NonRecordingSpan(CONTEXT))
    provider.get_tracer("t").start_span("s", context).end()
    pipeline.remove()
    assert processor.contexts == [context]


class Exporting(SimpleSpanProcessor):
    """A subclass of the SDK's processor that differs only in its name."""


class Tagging(BatchSpanProcessor):
    """Looks at spans when they start and when they end, as Langfuse's processor does."""

    def __init__(self, exporter):
        super().__init__(exporter)
        self.open = set()

    def on_start(self, span, parent_context=None):
        """Tag it."""
        self.open.add(span.get_span_context().span_id)
        span.set_attribute("tagged", True)

    def on_end(self, span):
        """Leave one out."""
        self.open.remove(span.context.span_id)
        if span.name != "s1":
            super().on_end(span)


def test_exporting_processors_that_look_at_spans_see_all_of_them():
    """A subclass with `on_start` or `on_end` of its own gets what it gets without us; one without is an exporter."""
    all_of_them, kept = InMemorySpanExporter(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(tagging := Tagging(all_of_them))
    provider.add_span_processor(Exporting(kept))
    pipeline = ProcessPipeline(Settings(baseline_ratio=0.0), provider, None)
    pipeline.install()
    for number in range(4):
        with provider.get_tracer("t").start_as_current_span(f"s{number}") as span:
            if number == 3:
                span.set_status(StatusCode.ERROR)
    provider.force_flush()
    assert [span.name for span in all_of_them.get_finished_spans()] == ["s0", "s2", "s3"]
    assert all(span.attributes["tagged"] for span in all_of_them.get_finished_spans())
    assert not tagging.open
    assert [span.name for span in kept.get_finished_spans()] == ["s3"]
    pipeline.remove()
    assert len(provider._active_span_processor._span_processors) == 2
    provider.shutdown()


class Withholding(SynchronousMultiSpanProcessor):
    """Passes on what is not secret."""

    def on_end(self, span):
        """Pass it on."""
        if span.name != "secret":
            super().on_end(span)


@pytest.mark.parametrize("active", [Withholding, ConcurrentMultiSpanProcessor])
def test_an_active_processor_of_the_applications_decides_what_is_passed_on(active):
    """A span that the active processor withholds is neither exported nor waited for; the SDK's concurrent one passes all spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(active_span_processor=active(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    pipeline = ProcessPipeline(Settings(baseline_ratio=1.0), provider, None)
    pipeline.install()
    pipeline._background.stop()  # which would decide the trace while a large heap is collected
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("secret"):
        pass
    gc.collect()
    assert pipeline.engine.assembler.pending() == (1, 1 if active is Withholding else 2)
    provider.force_flush()
    assert not pipeline._processor._foreign
    names = {span.name for span in exporter.get_finished_spans()}
    assert names == ({"outer"} if active is Withholding else {"outer", "secret"})
    pipeline.remove()
    provider.shutdown()


class Foreign(SpanProcessor):
    """An active processor that has no list of others."""

    def __init__(self):
        self.ended = []

    def on_end(self, span):
        """Note it."""
        self.ended.append(span.name)


def test_an_active_processor_without_a_list_of_others_works_as_before():
    """An active processor without a list sees every span, extractions are counted, and it is restored afterwards."""
    provider = TracerProvider(active_span_processor=(foreign := Foreign()), shutdown_on_exit=False)
    early = provider.get_tracer("early")
    pipeline = ProcessPipeline(Settings(baseline_ratio=0.0), provider, None)
    pipeline.install()
    for tracer in (early, provider.get_tracer("late")):
        tracer.start_span("s").end()
    assert foreign.ended == ["s", "s"]
    assert provider.force_flush()
    assert pipeline.engine.counters.received == 2
    pipeline.remove()
    assert provider._active_span_processor is foreign
    early.start_span("plain").end()
    assert foreign.ended == ["s", "s", "plain"]


def test_flags_that_are_not_known_are_not_passed_on():
    """W3C Trace Context: a sender sets those it does not know to zero."""
    provider, pipeline = lean()
    pipeline.install()
    remote = SpanContext(1 << 100 | 77, 5, is_remote=True, trace_flags=TraceFlags(0xFF))
    span = provider.get_tracer("t").start_span("s", trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    assert span.get_span_context().trace_flags == TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID
    span.end()
    pipeline.remove()


def test_a_sampler_gets_links_as_a_sequence():
    """A sampler gets a sequence of links even if the caller passed None."""
    given = []

    class Looking(Adding):
        def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None):
            """Note the links."""
            given.append(links)
            return super().should_sample(parent_context, trace_id, name, kind, attributes, links)

    provider, pipeline = lean(sampler=Looking())
    pipeline.install()
    provider.get_tracer("t").start_span("s", links=None).end()
    pipeline.remove()
    assert given == [()]


def test_what_few_look_at_is_there_too():
    """`instrumentation_info`, and `ContextDecorator`, by which frameworks tell what may decorate."""
    provider, pipeline = lean()
    pipeline.install()
    tracer = provider.get_tracer("t", "1")
    current = tracer.start_as_current_span("s")
    assert isinstance(current, contextlib.ContextDecorator)
    assert isinstance(current, contextlib.AbstractContextManager)
    with current as span, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert span.instrumentation_info is tracer.instrumentation_info
        assert span.instrumentation_info.name == "t"
    pipeline.remove()


class Adding(Sampler):
    """A sampler that adds an attribute and a tracestate entry."""

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        """Record, and sample by the name."""
        decision = {"only": Decision.RECORD_ONLY, "no": Decision.DROP}.get(name, Decision.RECORD_AND_SAMPLE)
        return SamplingResult(decision, {"added": 1}, TraceState([("vendor", "1")]))

    def get_description(self):
        """Return its name."""
        return "Adding"


@pytest.mark.parametrize(
    "sampler",
    [ALWAYS_ON, ALWAYS_OFF, DEFAULT_ON, ParentBased(ALWAYS_OFF), TraceIdRatioBased(0.5), Adding()],
    ids=["always on", "always off", "default on", "parent based", "ratio", "adding"],
)
@pytest.mark.parametrize("parent", [None, 0, 1], ids=["root", "unsampled", "sampled"])
@pytest.mark.parametrize("name", ["yes", "only", "no"])
def test_samplers_decide_as_with_the_sdk(sampler, parent, name):
    """Recording, sampling, flags and tracestate are those of the SDK alone, for every sampler and parent."""
    state = TraceState([("other", "x")])
    remote = SpanContext(1 << 100 | 77, 5, is_remote=True, trace_flags=TraceFlags(parent or 0), trace_state=state)
    context = None if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(remote))

    class Fixed(__import__("opentelemetry.sdk.trace.id_generator", fromlist=["x"]).RandomIdGenerator):
        """Ids that are the same for both."""

        def generate_trace_id(self):
            """Return one id."""
            return 123 << 64

        def generate_span_id(self):
            """Return one id."""
            return 456

    found = []
    for leanly in (True, False):
        provider, pipeline = lean(sampler=sampler, id_generator=Fixed())
        if leanly:
            pipeline.install()
        span = provider.get_tracer("t").start_span(name, context, attributes={"given": 1})
        got = span.get_span_context()
        attributes = dict(span.attributes) if span.is_recording() else None
        found.append((span.is_recording(), got, got.trace_flags, got.trace_state, attributes))
        span.end()
        if leanly:
            pipeline.remove()
    assert found[0] == found[1]


def test_current_span_is_a_context_manager_and_a_decorator():
    """Exceptions are recorded once and pass on, and coroutines are covered whole, as with the SDK."""
    provider, pipeline = lean()
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    pipeline.install()
    tracer = provider.get_tracer("t")

    @tracer.start_as_current_span("sync")
    def sync(x):
        assert trace.get_current_span().name == "sync"
        return x

    @tracer.start_as_current_span("async")
    async def coroutine(x):
        await asyncio.sleep(0.01)
        return x

    assert sync(1) == sync(1) == 1
    assert asyncio.run(coroutine(2)) == 2
    error = KeyError("k")
    with pytest.raises(KeyError) as caught, tracer.start_as_current_span("fails"):
        raise error
    assert caught.value is error
    assert not trace.get_current_span().get_span_context().is_valid
    provider.force_flush()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert spans["async"].end_time - spans["async"].start_time >= 10_000_000
    assert spans["fails"].status.status_code is StatusCode.ERROR
    assert len(spans["fails"].events) == 1
    pipeline.remove()


def test_other_vendors_tracestate_is_preserved():
    """Only otel_fe's own entry of `tracestate` is written."""
    provider, pipeline = lean()
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    pipeline.install()
    state = TraceState([("vendor", "1"), ("ot", "rv:ffffffffffffff")])
    remote = SpanContext(9, 5, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    context = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    provider.get_tracer("t").start_span("x", context).end()
    provider.force_flush()
    (span,) = exporter.get_finished_spans()
    assert dict(span.context.trace_state) == {"vendor": "1", "ot": "rv:ffffffffffffff;th:0"}
    assert span.parent == remote
    pipeline.remove()
