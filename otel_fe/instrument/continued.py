"""Calls whose work continues after their return: of coroutine functions, generators, and functions that return these.

A plain function may return any of these: `return client.fetch(user)`, `executor.submit(…)`, a `functools.partial`, an
instance with an async `__call__`, a function under `contextlib.asynccontextmanager`. Its extraction lasts until the
returned object has ended, and ends as that ends. The caller gets an object of the same type; one that is dropped
without being awaited or iterated ends the extraction then.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import types
import weakref
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from otel_fe.instrument.extraction import Extraction

    Start = Callable[[], Extraction | None]
    """Begins or continues an extraction, for the wrapper of a kind."""
    Continue = Callable[[Any, Extraction], Any]

MARK: Final = "__otel_fe_wrapped__"
"""Attribute of our wrappers; its value is the function underneath."""
PLAIN: Final = frozenset({dict, list, tuple, set, str, bytes, int, float, bool, type(None)})
"""Types of results that end their call; those that are returned most."""


def continued(result: Any, running: Extraction) -> Any:
    """Return the result of a call for its caller; its extraction ends now, or continues with the result."""
    try:
        go_on = _continuing(type(result))  # type: ignore[arg-type]
        if go_on is not None:
            running.suspend()
            return go_on(result, running)
    except Exception as fault:
        faults.record("wrapping.continue", fault)
    running.finish()
    return result


@functools.lru_cache(maxsize=512)
def _continuing(kind: type) -> Continue | None:
    """Return what continues an extraction with a result of this type; None where it ends the call."""
    if kind in _KINDS:
        return _KINDS[kind]
    if issubclass(kind, (contextlib._GeneratorContextManager, contextlib._AsyncGeneratorContextManager)):
        return _context_manager
    return _future if callable(getattr(kind, "add_done_callback", None)) else None


def _coroutine(result: Any, running: Extraction) -> Any:
    return _around(coroutine_around, result, running)


def _generator(result: Any, running: Extraction) -> Any:
    return _around(generator_around, result, running)


def _asynchronous_generator(result: Any, running: Extraction) -> Any:
    return _around(asynchronous_generator_around, result, running)


def _around(kind: Callable[[Start], Any], result: Any, running: Extraction) -> Any:
    """Return an object of the result's type that runs it inside the extraction, and is called as it is."""

    def resumed() -> Extraction:
        running.resume_if_suspended()
        return running

    wrapper = kind(resumed)
    setattr(wrapper, MARK, lambda: result)
    made = wrapper()
    made.__name__, made.__qualname__ = result.__name__, result.__qualname__
    _end_with(made, running, result)
    return made


def _context_manager(result: Any, running: Extraction) -> Any:
    """Measure entering and leaving; the body of the `with` block is the caller's own."""
    kind = _continuing(type(result.gen))  # type: ignore[arg-type]
    if kind is None:
        running.finish()
    else:
        result.gen = kind(result.gen, running)
    return result


def _future(result: Any, running: Extraction) -> Any:
    running.forget_cpu()  # it is used where the future is worked for
    _end_with(result, running)
    result.add_done_callback(functools.partial(_done, running))
    return result


def _done(running: Extraction, future: Any) -> None:
    # Not by `exception()`: that marks the exception of an asyncio future as retrieved, and it would no longer warn.
    try:
        cancelled = future.cancelled()
        error = _Cancelled() if cancelled else getattr(future, "_exception", None) or _exception_of(future)
    except Exception:  # noqa: BLE001 any library's future, of which only its end is sure
        error = None
    running.finish(error if isinstance(error, BaseException) else None)


def _exception_of(future: Any) -> Any:
    return None if isinstance(future, asyncio.Future) else future.exception()


class _Cancelled(BaseException):
    """The exception of a cancelled future, which has none."""


def _end_with(made: Any, running: Extraction, result: Any = None) -> None:
    """End the extraction when an object is dropped without having been used.

    The coroutine inside is closed, so that only one warns that it was never awaited.
    """

    def dropped(_reference: object) -> None:
        if not running.ended:
            running.finish()
            if isinstance(result, types.CoroutineType):
                result.close()

    try:
        running.until = weakref.ref(made, dropped)
    except TypeError:  # of a future that has no weak references
        running.until = None


_KINDS: Final[dict[type, Continue]] = {
    types.CoroutineType: _coroutine,
    types.GeneratorType: _generator,
    types.AsyncGeneratorType: _asynchronous_generator,
}


def coroutine_around(start: Start) -> Callable[..., Any]:
    """Return a coroutine function around the one that it finds in its attributes."""

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        running = start()
        if running is None:
            return await own.__otel_fe_wrapped__(*args, **kwargs)
        try:
            result = await stepwise(own.__otel_fe_wrapped__(*args, **kwargs), running)
        except BaseException as error:
            running.finish(error)
            raise
        if type(result) in PLAIN:
            running.finish()
            return result
        return continued(result, running)

    own: Any = wrapper
    return wrapper


@types.coroutine
def stepwise(coroutine: Coroutine[Any, Any, Any], running: Extraction) -> Generator[Any, Any, Any]:
    """Await a coroutine, with the extraction's CPU clock stopped while it yields to its event loop."""
    running.follow(coroutine)
    try:
        step: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            try:
                awaited = step(value)
            except StopIteration as stop:
                return stop.value
            running.pause_cpu(awaited)
            try:
                value = yield awaited
            except GeneratorExit:
                running.resume_cpu()
                raise
            except BaseException as error:  # noqa: BLE001 whatever the event loop throws in is the coroutine's
                step, value = coroutine.throw, error
            else:
                step = coroutine.send
            running.resume_cpu()
    finally:
        coroutine.close()


def generator_around(start: Start) -> Callable[..., Any]:
    """Return a generator function around the one that it finds in its attributes."""

    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        running = start()
        if running is None:
            return (yield from own.__otel_fe_wrapped__(*args, **kwargs))
        failure: BaseException | None = None
        try:
            generator = own.__otel_fe_wrapped__(*args, **kwargs)
            try:
                return (yield from _steps(generator, running))
            finally:
                # Closing runs the generator's own clean-up, which belongs to the extraction.
                running.resume_if_suspended()
                generator.close()
        except BaseException as error:
            failure = error
            raise
        finally:
            running.resume_if_suspended()
            running.finish(failure)

    own: Any = wrapper
    return wrapper


def _steps(generator: Generator[Any, Any, Any], running: Extraction) -> Generator[Any, Any, Any]:
    """Run a generator; the extraction is the current one only while its body runs."""
    running.follow(generator)
    step: Callable[[Any], Any] = generator.send
    value: Any = None
    while True:
        try:
            item = step(value)
        except StopIteration as stop:
            return stop.value
        running.suspend()
        try:
            value = yield item
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 what the consumer throws in is the generator's
            step, value = generator.throw, error
        else:
            step = generator.send
        running.resume()


def asynchronous_generator_around(start: Start) -> Callable[..., Any]:
    """Return an async generator function around the one that it finds in its attributes."""

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        running = start()
        failure: BaseException | None = None
        step: Callable[[Any], Any]
        value: Any
        try:
            generator = own.__otel_fe_wrapped__(*args, **kwargs)
            step, value = generator.asend, None
            try:
                while True:
                    try:
                        awaitable = step(value)
                        item = await (awaitable if running is None else _stepwise_any(awaitable, running))
                    except StopAsyncIteration:
                        return
                    if running is not None:
                        running.suspend()
                    try:
                        value = yield item
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001 what the consumer throws in is the generator's
                        step, value = generator.athrow, error
                    else:
                        step = generator.asend
                    if running is not None:
                        running.resume()
            finally:
                if running is not None:
                    running.resume_if_suspended()
                await generator.aclose()
        except BaseException as error:
            failure = error
            raise
        finally:
            if running is not None:
                running.resume_if_suspended()
                running.finish(failure)

    own: Any = wrapper
    return wrapper


async def _stepwise_any(awaitable: Any, running: Extraction) -> Any:
    return await stepwise(_as_coroutine(awaitable), running)


async def _as_coroutine(awaitable: Any) -> Any:
    """Return a coroutine for the awaitables of an async generator, which have no `close` of their own before 3.12."""
    return await awaitable
