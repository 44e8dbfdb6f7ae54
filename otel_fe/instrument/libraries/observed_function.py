"""A function of a library's, of the same kind and with the same signature, each call of which is seen."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from otel_fe import faults
from otel_fe.instrument import runtime
from otel_fe.instrument.continued import stepwise
from otel_fe.instrument.libraries.calls import LibraryCall, innermost

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.libraries.kind import Arguments, CallKind, Named


def opened(
    kind: CallKind, function: str, args: Arguments, kwargs: Named, subject: Any = None, *, now: bool = True
) -> LibraryCall | None:
    """Open a call, and start its span.

    Args:
        kind: The description of its method.
        function: Its qualified name.
        args: Its arguments.
        kwargs: Likewise.
        subject: The object that it is a method of; None for a function.
        now: False leaves starting the span to the first call inside.

    Returns:
        The call, to be ended by the caller; None where otel_fe is off, where it is no call of its own, or on a fault.
    """
    if runtime.current is None:
        return None
    call = None
    try:
        outer = innermost.get()
        if kind.applies is not None and not kind.applies(args, kwargs):
            return None
        if outer is not None:
            if subject is not None and outer.subject is subject and not outer.ended:
                return None
            outer.start()
        call = LibraryCall(kind, function, args, kwargs, subject, now=now)
        call.enter(outer)
        if now:
            call.start()
    except Exception as fault:
        faults.record("library.begin", fault)
        if call is not None:
            call.end(None)
        return None
    return call


def observed(
    function: Callable[..., Any], kind: CallKind, *, method: bool, now: bool = True, name: str = ""
) -> Callable[..., Any]:
    """Return a function of the same kind (plain or coroutine), each call of which is a `LibraryCall`.

    Args:
        function: What is replaced.
        kind: The description of its calls.
        method: Whether its first argument is the object that it is called on.
        now: False starts a call's span with the first call inside it.
        name: What to call it, where it does not know that itself.
    """
    full = f"{function.__module__}.{name or function.__qualname__}"

    def replacement(*args: Any, **kwargs: Any) -> Any:
        call = opened(kind, full, args, kwargs, args[0] if method and args else None, now=now)
        if call is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.end(error)
            raise
        call.end(None, result)
        return result

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        call = opened(kind, full, args, kwargs, args[0] if method and args else None, now=now)
        if call is None:
            return await function(*args, **kwargs)
        try:
            awaited = function(*args, **kwargs)
            result = await (awaited if call.extraction is None else stepwise(awaited, call.extraction))
        except BaseException as error:
            call.end(error)
            raise
        call.end(None, result)
        return result

    return functools.wraps(function)(coroutine if inspect.iscoroutinefunction(function) else replacement)
