"""Rebuilds the object that a class or module holds under a name, with its function wrapped.

A static or class method, a property, a `functools.cached_property` and a `functools.partialmethod` are not functions but hold one.
"""

from __future__ import annotations

import copy
import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class NotWrappedError(Exception):
    """A target could not be found, or not be replaced; the message says why and what is nearest to it."""


def remade(held: Any, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Any:
    """Return what is held, of the same kind, with its function replaced by what `make` returns for it.

    Raises:
        NotWrappedError: The target is a class, or cannot be called.
    """
    if isinstance(held, (staticmethod, classmethod)):
        return type(held)(remade(held.__func__, make))
    if isinstance(held, property):
        if held.fget is None:
            raise NotWrappedError("it is a property that cannot be read; name a method")
        return held.getter(remade(held.fget, make))
    if isinstance(held, functools.cached_property):
        again: Any = copy.copy(held)
        again.func = remade(held.func, make)
        return again
    if isinstance(held, functools.partialmethod):
        return functools.partialmethod(remade(held.func, make), *held.args, **held.keywords)
    if inspect.isclass(held):
        raise NotWrappedError("it is a class; name one of its methods")
    if not callable(held):
        raise NotWrappedError(f"it is a {type(held).__name__}, which cannot be called")
    return make(held)


def function_in(held: Any) -> Any:
    """Return the function that something holds, itself where it holds none; for its name."""
    for name in ("__func__", "fget", "func"):
        inner = getattr(held, name, None)
        if callable(inner):
            return function_in(inner)
    return held
