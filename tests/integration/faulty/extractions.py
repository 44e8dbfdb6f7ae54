"""Faults around an extraction: when it begins, fails, suspends and ends; and around spans of the application's own."""

from __future__ import annotations

import asyncio
import gc

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import otel_fe
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.wrapping import wrap
from tests.integration.faulty.injection import injected, tried

START_SPAN = "otel_fe.sdk.tracer:LeanTracer.start_span"
RSS = "otel_fe.instrument.resources:rss_bytes"
STOP_CPU = "otel_fe.instrument.extraction:Extraction._stop_cpu"
DETACH = "otel_fe.instrument.extraction:Extraction._detach"


def divide(x):
    return 10 // x


async def divide_later(x):
    await asyncio.sleep(0)
    return divide(x)


def divide_all(*numbers):
    for number in numbers:
        sent = yield divide(number)
        assert sent is None
    return "all"


async def divide_all_later(*numbers):
    for number in numbers:
        await asyncio.sleep(0)
        yield divide(number)


def drained(generator):
    """Return what a generator yields, returns or raises."""
    found = []
    while True:
        try:
            found.append(next(generator))
        except StopIteration as stop:
            return found, stop.value
        except ZeroDivisionError as error:
            return found, error.args


async def drained_later(generator):
    found = []
    try:
        async for item in generator:
            found.append(item)
    except ZeroDivisionError as error:
        found.append(error.args)
    return found


def block(x):
    with otel_fe.extraction("block") as running:
        running.cache_hit()
        return divide(x)


@injected("extraction.begin", "instrument.extraction", START_SPAN)
@injected("extraction.begin", "instrument.extraction", RSS)
@injected("extraction.finish", "instrument.extraction", "otel_fe.instrument.process:ProcessPipeline.derive")
def every_kind_of_target(_app):
    function, coroutine, generator, later = (
        wrap(kind, Spec("x")) for kind in (divide, divide_later, divide_all, divide_all_later)
    )
    return [
        (
            tried(function, x),
            tried(block, x),
            tried(asyncio.run, coroutine(x)),
            drained(generator(5, x)),
            asyncio.run(drained_later(later(5, x))),
        )
        for x in (5, 0)
    ]


@injected("extraction.fail", "instrument.extraction", "otel_fe.sdk.span:LeanSpan._add_event")
def an_error_that_is_no_exception(_app):
    with otel_fe.extraction("x") as running:
        running.fail(ValueError("no such user"))
        return 5


@injected("extraction.suspend", "instrument.extraction", STOP_CPU, when="by itself")
@injected("extraction.resume", "instrument.extraction", "otel_fe.instrument.extraction:set_context", when="by itself")
def a_generator_between_its_steps(app):
    generator = wrap(divide_all, Spec("x"))(5, 2, 1)
    before = next(generator)
    app.arm()
    return before, drained(generator)


@injected("wrapping.continue", "instrument.continued", "otel_fe.instrument.continued:_around")
def functions_that_return_generators_and_coroutines(_app):
    async def main():
        return await wrap(lambda x: divide_later(x + 0), Spec("x"))(2)

    return drained(wrap(lambda x: divide_all(5, x), Spec("x"))(0)), asyncio.run(main())


@injected("extraction.suspend", "instrument.extraction", DETACH, when="by itself")
def an_async_generator_between_its_steps(app):
    async def main():
        generator = wrap(divide_all_later, Spec("x"))(5, 2, 0)
        before = await generator.asend(None)
        app.arm()
        return before, await drained_later(generator)

    return asyncio.run(main())


@injected("extraction.abandon", "instrument.extraction", RSS, "otel_fe.sdk.span:LeanSpan.end", when="by itself")
def a_function_whose_span_cannot_be_ended(app):
    def work(x):
        app.arm()
        return divide(x)

    return tried(wrap(work, Spec("x")), 0)


def span_of(tracer):
    """Return what the application can see of a span of its own."""
    with tracer.start_as_current_span("mine", attributes={"a": 1}) as span:
        seen = span.is_recording(), trace.get_current_span() is span, dict(span.attributes), span.parent
    return seen, span.is_recording(), trace.get_current_span().is_recording()


@injected("processor.on_start", "sdk.processor", "otel_fe.pipeline.assembler:Assembler.started")
@injected("processor.on_end", "sdk.processor", "otel_fe.pipeline.assembler:Assembler.ended")
def spans_of_its_own(app):
    return span_of(app.captured.traces.get_tracer("mine"))


@injected("processor.on_start", "sdk.processor", "otel_fe.pipeline.assembler:Assembler.started")
@injected("processor.on_end", "sdk.processor", "otel_fe.pipeline.assembler:Assembler.ended")
def spans_of_a_tracer_that_is_not_ours(app):
    return span_of(TracerProvider.get_tracer(app.captured.traces, "theirs"))


@injected("processor.gone", "sdk.processor", "otel_fe.pipeline.assembler:Assembler.withheld")
def a_span_that_is_never_ended(app):
    tracer = TracerProvider.get_tracer(app.captured.traces, "theirs")
    tracer.start_span("lost")
    gc.collect()
    return span_of(tracer)


@injected("tracer.adopt", "instrument.process", "otel_fe.sdk.tracer:LeanTracer._adopt")
@injected("tracer.adopt", "instrument.process", "otel_fe.sdk.tracer:adopt")
def spans_of_a_new_tracer(app):
    tracer = app.captured.traces.get_tracer("new")
    seen = span_of(tracer)
    return seen, type(tracer), [span.name for span in app.captured.spans]


@injected("tracer.adopt", "instrument.process", "otel_fe.sdk.tracer:LeanTracer._adopt", when="before")
def spans_where_no_tracer_can_be_adopted(app):
    seen = span_of(app.captured.traces.get_tracer("otel_fe")), block(5)
    return seen, "mine" in [span.name for span in app.captured.spans]


@injected("span.attributes", "sdk.span", "otel_fe.instrument.live_measurements:LiveMeasurements._known_before")
def a_span_that_is_kept(app):
    work = wrap(divide, Spec("x"))
    failed = tried(work, 0)
    app.captured.traces.force_flush()
    return failed
