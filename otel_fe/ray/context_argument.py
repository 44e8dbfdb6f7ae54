"""A remote function that takes the trace context as an extra argument, exported under its own id.

Ray exports a function once for each id and job, and a `RemoteFunction` carries that id, and all that its process has done to it,
into every process that it is pickled to (a Serve deployment pickles those that its class uses). So whether it takes a further
argument must not depend on who called it first, and is never written into it: an uninstrumented driver and an instrumented
replica share it. The one that takes the context is a second function, its twin, whose id is made from the first one's, the
same in every process; it never travels. (A worker that is given both counts the calls of each towards `max_calls`.)
"""

from __future__ import annotations

import inspect
import uuid
from typing import TYPE_CHECKING, Any, Final

from otel_fe.ray.ray_import import ray_module

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

KEY: Final = "_otel_fe_context"
"""The argument's name."""

_ID: Final = "otel_fe.ray.context_argument/1"
"""To be raised when `task` below changes: what is exported under an id stays there for the whole job."""
_TWIN: Final = "_otel_fe_carried"
_NOWHERE: Final = "<otel_fe>"
"""Begins its qualified name, which Ray shows the end of: workers that load code from their own disk look functions up by it, and
must not find the plain one."""


def twin_with_context(remote: Any) -> Any:
    """Return the `RemoteFunction` that takes the context, for one that does not; always the same."""
    return cached_twin(remote, remote._inject_lock, _twin_of)


def cached_twin(remote: Any, lock: Any, make: Callable[[Any], Any]) -> Any:
    """Return the twin of a remote function, which `make` makes at the first call."""
    with lock:
        held = vars(remote).get(_TWIN)
        if held is None:
            held = _TwinHolder(make(remote))
            setattr(remote, _TWIN, held)
    return held.remote


class _TwinHolder:
    """Holds the one that takes the context in an attribute of the one that does not; of a pickle of that, only None is left."""

    __slots__ = ("remote",)

    def __init__(self, remote: Any) -> None:
        self.remote = remote

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


def _twin_of(remote: Any) -> Any:
    state = remote.__getstate__()
    for others in ("remote", _TWIN):  # the first is a function bound to the other one
        state.pop(others, None)
    signature = state["_function_signature"]
    if signature is None:
        signature = ray_module("ray._common.signature").extract_signature(remote._function)
    state["_function"] = taking_context(remote._function)
    state["_function_signature"] = _with_key(signature)
    state["_uuid"] = uuid.uuid5(remote._uuid, _ID)
    state["_last_export_cluster_and_job"] = None
    if remote._decorator is not None:
        state["_decorator"] = _unseen_by(remote._decorator)
    made = object.__new__(type(remote))
    made.__setstate__(state)
    return made


def taking_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes the context beside the arguments of `function`, and runs that in it.

    Its pickle contains nothing of otel_fe: where otel_fe cannot be imported, the task runs without a context. Only names are
    copied from `function`, which may be pickled by name and have defaults and annotations that cannot be pickled.
    """

    def task(*args: Any, _otel_fe_context: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        try:
            from otel_fe.ray.task_span import run  # noqa: PLC0415 see above
        except Exception:
            return function(*args, **kwargs)
        return run(function, _otel_fe_context, args, kwargs)

    def generating(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from task(*args, **kwargs))

    made = generating if inspect.isgeneratorfunction(function) else task
    made.__module__ = _module_of(function)
    made.__name__ = function.__name__
    made.__qualname__ = f"{_NOWHERE}.{function.__qualname__}"
    return made


def _module_of(function: Callable[..., Any]) -> str:
    """Return the module that Ray reports for a function: of a script it uses the file, and our function has another."""
    descriptor = ray_module("ray._raylet").PythonFunctionDescriptor
    name: str = descriptor.from_function(function, uuid.UUID(int=0)).module_name
    return name


def _with_key(own: list[inspect.Parameter]) -> list[inspect.Parameter]:
    ours = inspect.Parameter(KEY, inspect.Parameter.KEYWORD_ONLY, default=None)
    at = len(own) - 1 if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD else len(own)
    return [*own[:at], ours, *own[at:]]


def _unseen_by(decorator: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator of invocations (`__ray_invocation_decorator__`) that does as the user's does, which sees no context."""

    def decorated(invocation: Callable[..., Any]) -> Callable[..., Any]:
        context: dict[str, Any] = {}
        own = decorator(lambda args, kwargs: invocation(args, {**kwargs, **context}))

        def invoked(args: Any, kwargs: dict[str, Any]) -> Any:
            context[KEY] = kwargs.get(KEY)
            return own(args, {name: value for name, value in kwargs.items() if name != KEY})

        return invoked

    return decorated
