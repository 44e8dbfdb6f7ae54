"""Wrapping a callable of any kind so that each call of it is an extraction.

The wrapper is of the kind it wraps (function, coroutine function, generator, async generator), carries its signature, and
passes through what it returns and raises. Where otel_fe is off, `begin` returns None and the call goes straight on.

A wrapper looks its function up in its own attributes: IPython's autoreload brings a function up to date by giving it the code and
the attributes of the new one, and a function in a closure would stay the old one.

A plain function gets a plain function around it: the fastest, and the least that a recursion adds to the stack. Everything
that has state of its own (`functools.lru_cache`, `joblib.Memory.cache`, `numba.njit`, `functools.partial`, a function with
attributes) gets a stand-in that has all of it; see `transparent`.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.extraction import begin
from otel_fe.instrument.transparent import is_stand_in, stand_in
from otel_fe.instrument.wrapper_code import placed_at

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from otel_fe.instrument.extraction import Extraction
    from otel_fe.instrument.spec import Spec

MARK: Final = "__otel_fe_wrapped__"
"""Attribute of our wrappers; its value is the function underneath."""


def is_wrapped(function: object) -> bool:
    """Return whether calls of a callable are extractions already; one that merely copied a wrapper's `__dict__` is not."""
    if is_stand_in(function):
        again: Any = function._otel_fe_again  # type: ignore[attr-defined]
        return isinstance(again, functools.partial) and again.func is wrap
    original = getattr(function, "__dict__", {}).get(MARK)
    return original is not None and getattr(function, "__wrapped__", None) is original


def wrap(function: Callable[..., Any], spec: Spec) -> Callable[..., Any]:
    """Return a wrapper of the callable's own kind, each call of which is an extraction; a wrapped one as it is."""
    if is_wrapped(function):
        return function
    if inspect.isasyncgenfunction(function):
        wrapper = _asynchronous_generator(spec)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(spec)
    elif inspect.iscoroutinefunction(function):
        wrapper = _coroutine(spec)
    else:
        wrapper = _function(spec)
    if type(function) is not types.FunctionType or vars(function).keys() - {"__wrapped__"}:
        functools.update_wrapper(wrapper, function, updated=())
        setattr(wrapper, MARK, function)  # where the wrappers look it up
        return stand_in(function, wrapper, functools.partial(wrap, spec=spec))
    functools.update_wrapper(wrapper, function)
    setattr(wrapper, MARK, function)
    wrapper.__code__ = placed_at(wrapper.__code__, function.__code__)
    return wrapper


def _function(spec: Spec) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        running = begin(spec)
        if running is None:
            return own.__otel_fe_wrapped__(*args, **kwargs)
        try:
            result = own.__otel_fe_wrapped__(*args, **kwargs)
        except BaseException as error:
            running.finish(error)
            raise
        running.finish()
        return result

    own: Any = wrapper
    return wrapper


def _coroutine(spec: Spec) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        running = begin(spec)
        if running is None:
            return await own.__otel_fe_wrapped__(*args, **kwargs)
        try:
            result = await _stepwise(own.__otel_fe_wrapped__(*args, **kwargs), running)
        except BaseException as error:
            running.finish(None if isinstance(error, GeneratorExit) else error)
            raise
        running.finish()
        return result

    own: Any = wrapper
    return wrapper


@types.coroutine
def _stepwise(coroutine: Coroutine[Any, Any, Any], running: Extraction) -> Generator[Any, Any, Any]:
    """Await a coroutine, with the extraction's CPU clock stopped while it gives way to its event loop."""
    try:
        step: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            try:
                awaited = step(value)
            except StopIteration as stop:
                return stop.value
            running.pause_cpu()
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


def _generator(spec: Spec) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        running = begin(spec)
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
        except GeneratorExit:
            raise
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


def _asynchronous_generator(spec: Spec) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        running = begin(spec)
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
        except GeneratorExit:
            raise
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
    return await _stepwise(_as_coroutine(awaitable), running)


async def _as_coroutine(awaitable: Any) -> Any:
    """Return a coroutine for the awaitables of an async generator, which have no `close` of their own before 3.12."""
    return await awaitable
