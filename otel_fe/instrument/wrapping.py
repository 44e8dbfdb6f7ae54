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
from typing import TYPE_CHECKING, Any

from otel_fe.instrument.continued import (
    MARK,
    PLAIN,
    asynchronous_generator_around,
    continued,
    coroutine_around,
    generator_around,
)
from otel_fe.instrument.extraction import begin
from otel_fe.instrument.transparent_wrapper import is_stand_in, stand_in
from otel_fe.instrument.wrapper_code import placed_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.spec import Spec


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
        wrapper = asynchronous_generator_around(functools.partial(begin, spec))
    elif inspect.isgeneratorfunction(function):
        wrapper = generator_around(functools.partial(begin, spec))
    elif inspect.iscoroutinefunction(function):
        wrapper = coroutine_around(functools.partial(begin, spec))
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
        if type(result) in PLAIN:
            running.finish()
            return result
        return continued(result, running)

    own: Any = wrapper
    return wrapper
