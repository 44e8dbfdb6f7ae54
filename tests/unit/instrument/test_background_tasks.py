"""Work that goes on after its request has ended: its error is exported whether or not the request's trace was kept."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import otel_fe
from tests.observed import instrumented

REQUESTS = 20


def failing(request_ended):
    """Extract once the request has ended, and fail."""
    with otel_fe.extraction("background"):
        request_ended.wait(10)
        raise ValueError


async def fails_later(begun, request_ended):
    with otel_fe.extraction("background"):
        begun.set()
        await request_ended.wait()
        raise ValueError


async def begins_later(request_ended):
    await request_ended.wait()
    with otel_fe.extraction("background"):
        raise ValueError


def in_a_task_that_is_under_way(tracer, decide):
    async def request():
        begun, ended = asyncio.Event(), asyncio.Event()
        with tracer.start_as_current_span("request"):
            task = asyncio.create_task(fails_later(begun, ended))
            await begun.wait()
        decide()
        ended.set()
        with pytest.raises(ValueError):
            await task

    asyncio.run(request())


def in_a_task_that_begins_afterwards(tracer, decide):
    async def request():
        ended = asyncio.Event()
        with tracer.start_as_current_span("request"):
            task = asyncio.create_task(begins_later(ended))
            await asyncio.sleep(0)
        decide()
        ended.set()
        with pytest.raises(ValueError):
            await task

    asyncio.run(request())


def on_a_thread(tracer, decide):
    ended = threading.Event()
    with tracer.start_as_current_span("request"):
        context = contextvars.copy_context()
    decide()
    ended.set()

    def work():
        with pytest.raises(ValueError):
            context.run(failing, ended)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("begun", [in_a_task_that_is_under_way, in_a_task_that_begins_afterwards, on_a_thread])
def test_every_error_of_a_background_task_is_exported(begun):
    """Every exported trace was kept for its error, as no share of healthy traces is kept."""
    with instrumented(baseline_ratio=0.0) as observed:
        for _ in range(REQUESTS):
            begun(observed.traces.get_tracer("app"), observed.traces.force_flush)

        failed = [span for span in observed.extractions() if span.status.status_code.name == "ERROR"]

    assert len(failed) == REQUESTS
