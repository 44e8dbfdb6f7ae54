"""Wrapped functions behave as before, and each call of them is an extraction."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import time
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.wrapping import is_wrapped, wrap
from tests.observed import instrumented

SPEC = Spec("x")


class Shop:
    """Has a method to pickle."""

    def extract(self, user: int, *, deep: bool = False) -> tuple[int, bool]:
        """Extract."""
        return user, deep


async def coroutine(value):
    """Give way once."""
    await asyncio.sleep(0)
    return value


def generator(items):
    """Yield, catching what is thrown in; return how many."""
    count = 0
    for item in items:
        try:
            got = yield item
            if got == "stop":
                return count
        except ValueError:
            yield "caught"
        count += 1
    return count


async def asynchronous(items):
    """Yield asynchronously."""
    for item in items:
        await asyncio.sleep(0)
        try:
            yield item
        except ValueError:
            yield "caught"


@pytest.mark.parametrize("function", [Shop.extract, coroutine, generator, asynchronous])
def test_kind_signature_and_name_stay(function):
    """inspect sees what it saw before."""
    wrapped = wrap(function, SPEC)
    for look in (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.isfunction,
    ):
        assert look(wrapped) == look(function)
    assert inspect.signature(wrapped) == inspect.signature(function)
    assert (wrapped.__name__, wrapped.__doc__, wrapped.__wrapped__) == (function.__name__, function.__doc__, function)
    assert is_wrapped(wrapped)
    assert wrap(wrapped, SPEC) is wrapped


def test_bound_methods_can_be_pickled(observed, monkeypatch):
    """A wrapped method is found again by its name."""
    monkeypatch.setattr(Shop, "extract", wrap(Shop.extract, SPEC))
    again = pickle.loads(pickle.dumps(Shop().extract))
    assert again(3, deep=True) == (3, True)
    assert len(observed.extractions()) == 1


def test_the_same_exception_with_its_traceback(observed):
    """The caller gets the very object, and below our one frame the traceback is what it was."""
    error = KeyError("k")

    def fail():
        raise error

    with pytest.raises(KeyError) as caught:
        wrap(fail, SPEC)()
    assert caught.value is error
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][-2:] == ["wrapper", "fail"]
    (span,) = observed.extractions()
    assert span.attributes["error.type"] == "KeyError"
    assert not span.status.is_ok


def test_a_coroutine_counts_its_own_cpu_time_only(observed):
    """CPU time of other tasks is not counted while a coroutine waits."""

    def burn(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    async def mine():
        burn(0.05)
        await asyncio.sleep(0.01)
        burn(0.05)

    async def other():
        for _ in range(10):
            burn(0.03)
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(wrap(mine, SPEC)(), other())

    asyncio.run(main())
    (span,) = observed.extractions()
    assert span.attributes["feature_extraction.cpu.time"] == pytest.approx(0.1, rel=0.1)


def test_a_cancelled_coroutine_is_cancelled_as_before(observed):
    """Cancellation reaches the coroutine, its clean-up runs, and the extraction has not failed of it."""
    cleaned = []

    async def mine():
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)

    async def main():
        task = asyncio.create_task(wrap(mine, SPEC)())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert cleaned == [True]
    assert observed.extractions()[0].attributes["feature_extraction.cancelled"] is True


OPERATIONS = st.lists(st.sampled_from(["next", "send", "stop", "throw", "other", "close"]), max_size=8)


def drive(generator, operations):
    """Return all that a generator answers to operations."""
    answers = []
    for operation in operations:
        try:
            if operation == "next":
                answers.append(next(generator))
            elif operation == "throw":
                answers.append(generator.throw(ValueError("thrown")))
            elif operation == "other":
                answers.append(generator.throw(KeyError("other")))
            elif operation == "close":
                answers.append(generator.close())
            else:
                answers.append(generator.send("stop" if operation == "stop" else None))
        except BaseException as error:
            answers.append((type(error), getattr(error, "value", None)))
    return answers


@given(OPERATIONS)
def test_a_generator_answers_as_before(operations):
    """Whatever is sent, thrown or closed, in any order, the answers are the plain generator's."""
    with instrumented() as observed:
        assert drive(wrap(generator, SPEC)(iter("abc")), operations) == drive(generator(iter("abc")), operations)
        assert len(observed.extractions()) <= 1


def test_a_generator_s_extraction_lasts_until_it_is_exhausted_and_is_current_only_inside(observed):
    """The consumer is not inside the extraction between two items; there is one span, when the generator ends."""
    inside = []

    def numbers():
        for number in range(3):
            inside.append(current_extraction())
            yield number

    outside = [current_extraction() for _ in wrap(numbers, SPEC)()]
    assert None not in inside
    assert outside == [None] * 3
    assert len(observed.extractions()) == 1


def test_a_generator_that_is_closed_or_dropped_ends_its_span(observed):
    """Closing is no error; neither is losing the last reference."""
    closed = wrap(generator, SPEC)([1, 2])
    next(closed)
    closed.close()
    dropped = wrap(generator, SPEC)([1, 2])
    next(dropped)
    del dropped
    assert len(observed.extractions()) == 2
    assert all("error.type" not in span.attributes for span in observed.extractions())


def test_an_async_generator_yields_catches_and_closes_as_before(observed):
    """Items, exceptions thrown in, and an early end."""

    async def main():
        assert [item async for item in wrap(asynchronous, SPEC)("ab")] == ["a", "b"]
        early = wrap(asynchronous, SPEC)("ab")
        assert await early.__anext__() == "a"
        assert current_extraction() is None
        assert await early.athrow(ValueError()) == "caught"
        await early.aclose()

    asyncio.run(main())
    assert len(observed.extractions()) == 2


def test_without_instrumentation_everything_passes_through():
    """Switched off, wrappers call and that is all."""
    assert wrap(Shop.extract, SPEC)(Shop(), 1) == (1, False)
    assert list(wrap(generator, SPEC)("ab")) == ["a", "b"]
    assert asyncio.run(wrap(coroutine, SPEC)(5)) == 5

    async def main():
        return [item async for item in wrap(asynchronous, SPEC)("ab")]

    assert asyncio.run(main()) == ["a", "b"]
