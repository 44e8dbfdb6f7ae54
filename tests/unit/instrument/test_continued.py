"""Functions that return before their work is done, and extractions that their callers end early."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import inspect
import types
import warnings

import pytest
from opentelemetry.trace import StatusCode

import otel_fe
from otel_fe.testing import capture

WORK_S = 0.02
DURATION = "feature_extraction.duration"


async def work(fails=False):
    """Work for a while."""
    await asyncio.sleep(WORK_S)
    assert otel_fe.current_extraction() is not None
    if fails:
        raise LookupError
    return "done"


def steps(fails=False):
    """Yield twice, and work in between."""
    yield "done"
    time = asyncio.run(asyncio.sleep(WORK_S, "done"))
    assert otel_fe.current_extraction() is not None
    if fails:
        raise LookupError
    yield time


async def asynchronous_steps(fails=False):
    """Yield twice, and work in between."""
    yield "done"
    yield await work(fails)


class Client:
    """An object whose call is a coroutine function."""

    async def __call__(self, fails=False):
        return await work(fails)


async def awaited(made):
    """Await, iterate or enter whatever it is."""
    if inspect.isasyncgen(made):
        return [item async for item in made][-1]
    if isinstance(made, contextlib.AbstractAsyncContextManager):
        async with made as value:
            assert otel_fe.current_extraction() is None
            return value
    return await made


def returned_coroutine(fails=False):
    """Return a coroutine."""
    return work(fails)


def returned_steps(fails=False):
    """Return a generator."""
    return steps(fails)


def returned_asynchronous_steps(fails=False):
    """Return an async generator."""
    return asynchronous_steps(fails)


def returned_task(fails=False):
    """Return a task."""
    return asyncio.get_running_loop().create_task(work(fails))


RETURNING = {
    "coroutine": (returned_coroutine, types.CoroutineType),
    "partial": (functools.partial(returned_coroutine), types.CoroutineType),
    "async call": (Client(), types.CoroutineType),
    "task": (returned_task, asyncio.Task),
    "async generator": (returned_asynchronous_steps, types.AsyncGeneratorType),
}


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
@pytest.mark.parametrize("kind", RETURNING)
def test_an_extraction_lasts_as_long_as_what_its_function_returned(kind, fails):
    """The extraction's duration and error are those of the coroutine, task or generator, whose type does not change."""
    function, expected = RETURNING[kind]

    async def main():
        made = otel_fe.extraction("x")(function)(fails)
        assert type(made) is expected
        assert otel_fe.current_extraction() is None
        with pytest.raises(LookupError) if fails else contextlib.nullcontext():
            assert await awaited(made) == "done"
        await asyncio.sleep(0)
        assert otel_fe.current_extraction() is None

    with capture() as captured:
        asyncio.run(main())
        span = captured.extraction("x")
        assert captured.total(DURATION) == 1
        assert captured.total("otel_fe.pipeline.traces.open") == 0
    assert (span.end_time - span.start_time) / 1e9 >= WORK_S
    assert span.status.status_code is (StatusCode.ERROR if fails else StatusCode.UNSET)
    assert span.attributes.get("error.type") == ("LookupError" if fails else None)


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_a_returned_generator_and_a_pool_s_future(fails):
    """Each ends its extraction when it has ended."""

    @otel_fe.extraction("generator")
    def generator():
        return steps(fails)

    @otel_fe.extraction("future")
    def future(pool):
        return pool.submit(lambda: next(iter([LookupError() if fails else "done"])))

    with capture() as captured, concurrent.futures.ThreadPoolExecutor(1) as pool:
        made = generator()
        assert type(made) is types.GeneratorType
        assert made.__name__ == "steps"
        with pytest.raises(LookupError) if fails else contextlib.nullcontext():
            assert list(made) == ["done", "done"]
        future(pool).result()
        assert captured.total(DURATION) == 2
        span = captured.extraction("generator")
    assert (span.end_time - span.start_time) / 1e9 >= WORK_S
    assert span.attributes.get("error.type") == ("LookupError" if fails else None)


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_of_a_context_manager_entering_and_leaving_are_measured(fails):
    """The body is the caller's; `asynccontextmanager` makes a plain function that returns one."""

    @otel_fe.extraction("x")
    @contextlib.asynccontextmanager
    async def features():
        yield await work(fails)
        await asyncio.sleep(WORK_S)

    @otel_fe.extraction("y")
    @contextlib.contextmanager
    def plain():
        assert otel_fe.current_extraction() is not None
        yield "done"

    async def main():
        with pytest.raises(LookupError) if fails else contextlib.nullcontext():
            assert await awaited(features()) == "done"

    with capture() as captured:
        asyncio.run(main())
        with plain() as value:
            assert otel_fe.current_extraction() is None
        assert value == "done"
        spans = {span.name[-1]: span for span in captured.extractions()}
        assert captured.total(DURATION) == 2
    lasted = (spans["x"].end_time - spans["x"].start_time) / 1e9
    assert lasted >= (WORK_S if fails else 2 * WORK_S)
    assert spans["x"].attributes.get("error.type") == ("LookupError" if fails else None)


def test_what_is_never_awaited_ends_its_extraction_and_warns_once():
    """A coroutine that is never awaited gives one RuntimeWarning under its own name, as without otel_fe."""
    with capture() as captured, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        otel_fe.extraction("x")(returned_coroutine)()
        otel_fe.extraction("x")(returned_steps)()
        gc.collect()
        assert captured.total(DURATION) == 2
        assert captured.total("otel_fe.pipeline.traces.open") == 0
    assert [str(one.message) for one in caught] == ["coroutine 'work' was never awaited"]


def test_a_task_whose_exception_is_never_retrieved_still_warns(caplog):
    """Looking at the exception must not tell asyncio that the application has."""

    async def main():
        otel_fe.extraction("x")(lambda: asyncio.get_running_loop().create_task(work(fails=True)))()
        await asyncio.sleep(2 * WORK_S)
        gc.collect()

    with capture() as captured:
        asyncio.run(main())
        assert captured.extraction("x").attributes["error.type"] == "LookupError"
    assert "Task exception was never retrieved" in caplog.text


def _cancelled_task():
    @otel_fe.extraction("x")
    async def extract():
        await asyncio.sleep(600)

    async def main():
        task = asyncio.create_task(extract())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def _wait_for():
    async def extract():
        with otel_fe.extraction("x"):
            await asyncio.sleep(600)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(extract(), 0.01)

    asyncio.run(main())


def _closed_generator():
    @otel_fe.extraction("x")
    def rows():
        yield 1
        yield 2

    generator = rows()
    next(generator)
    generator.close()


def _closed_block():
    def rows():
        with otel_fe.extraction("x"):
            yield 1
            yield 2

    generator = rows()
    next(generator)
    generator.close()


def _cancelled_future():
    async def main():
        future = asyncio.get_running_loop().create_future()
        otel_fe.extraction("x")(lambda: future)()
        future.cancel()
        await asyncio.sleep(0)

    asyncio.run(main())


def _raised(kind, *args):
    def end():
        with pytest.raises(kind), otel_fe.extraction("x"):
            raise kind(*args)

    return end


ENDINGS = {
    "a cancelled task": _cancelled_task,
    "wait_for": _wait_for,
    "a cancelled future": _cancelled_future,
    "a closed generator": _closed_generator,
    "a closed generator's block": _closed_block,
    "KeyboardInterrupt": _raised(KeyboardInterrupt),
    "SystemExit(0)": _raised(SystemExit, 0),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_its_caller_ends_early_is_no_error_and_counts_apart(ending):
    """A `BaseException` that is no `Exception` leaves the status unset and adds no exception event, as in `use_span`."""
    with capture() as captured:
        ENDINGS[ending]()
        span = captured.extraction("x")
        assert captured.total("feature_extraction.cancelled", feature_extraction__feature_set="x") == 1
        assert captured.total("feature_extraction.slo.events", slo="error_rate", good=False) == 0
        assert captured.total("feature_extraction.slo.events", slo="error_rate", good=True) == 1
        assert captured.total(DURATION) == 1
    assert span.attributes["feature_extraction.cancelled"] is True
    assert "error.type" not in span.attributes
    assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())


def test_an_error_inside_is_an_error_also_of_a_timeout_of_its_own():
    """A time-out that the extraction itself sets and lets out has failed it."""

    @otel_fe.extraction("x")
    async def extract():
        await asyncio.wait_for(asyncio.sleep(600), 0.01)

    with capture() as captured:
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(extract())
        assert captured.total("feature_extraction.slo.events", slo="error_rate", good=False) == 1
        assert captured.total("feature_extraction.cancelled") == 0
