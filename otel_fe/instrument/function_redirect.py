"""Redirecting a function itself, so that every reference to it is counted.

A route, a dependency, a registry, a `from … import …` that ran before: they hold the function that was defined, and no
replacement in its module reaches them. Where there are such references, the function keeps its identity and its attributes,
and its code is exchanged for a call of the wrapper, which calls a copy of it with the code that it had.
"""

from __future__ import annotations

import gc
import inspect
from types import FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.continued import MARK
from otel_fe.instrument.wrapper_code import placed_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

_PLACE: Final = "otel_fe: the wrapper"
"""A constant of the codes below; the wrapper takes its place."""
_COMPILERS: Final = frozenset({"jax", "jaxlib", "numba", "taichi", "tensorflow", "torch", "triton", "warp"})
"""Packages that read a function's code: what they hold keeps it."""

_MAX_HOLDERS: Final = 8
"""Holders that are looked at; to find the owner of a dictionary is a pass over all objects again."""


def _call(*args: Any, **kwargs: Any) -> Any:
    wrapper: Any = "otel_fe: the wrapper"
    return wrapper(*args, **kwargs)


async def _await(*args: Any, **kwargs: Any) -> Any:
    wrapper: Any = "otel_fe: the wrapper"
    return await wrapper(*args, **kwargs)


def _generate(*args: Any, **kwargs: Any) -> Any:
    wrapper: Any = "otel_fe: the wrapper"
    return (yield from wrapper(*args, **kwargs))


class Redirected:
    """A function whose code calls a wrapper.

    Args:
        function: It must be `redirectable`.
        make: Returns the wrapper, given a function that does what this one did.
    """

    def __init__(self, function: FunctionType, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self.function = function
        self._code = function.__code__
        self._wrapped = vars(function).get("__wrapped__", self)
        original = _copy_of(function)
        self._redirection = _code_for(function, make(original))
        function.__dict__.update({MARK: original, "__wrapped__": original})
        function.__code__ = self._redirection

    def undo(self) -> None:
        """Restore the function's code, unless it has been replaced since."""
        if self.function.__code__ is not self._redirection:
            return
        self.function.__code__ = self._code
        attributes = vars(self.function)
        attributes.pop(MARK, None)
        attributes.pop("__wrapped__", None)
        if self._wrapped is not self:
            attributes["__wrapped__"] = self._wrapped


def redirectable(function: object, holders: list[Any]) -> bool:
    """Return whether a function can be redirected: of an async generator or of what a compiler holds, the code must stay."""
    return (
        type(function) is FunctionType
        and not inspect.isasyncgenfunction(function)
        and not any((type(holder).__module__ or "").partition(".")[0] in _COMPILERS for holder in holders)
    )


def holders_of(function: object, owner: object) -> list[Any]:
    """Return what else holds a function of a module or class: containers, instances, modules.

    One pass over all objects of the process, some ms in a large one.
    """
    namespace = gc.get_referents(vars(owner))[:1] if inspect.isclass(owner) else [vars(owner)]
    found: list[Any] = []
    for holder in gc.get_referrers(function):
        mine = holder is found or any(holder is one for one in namespace)
        if not (mine or isinstance(holder, (FrameType, staticmethod, classmethod))):
            found.append(holder)
    return [_owner_of(holder) for holder in found[:_MAX_HOLDERS]]


def describe(holder: object) -> str:
    """Return what to call a holder in a message."""
    return holder.__name__ if isinstance(holder, ModuleType) else f"a {type(holder).__qualname__}"


def _owner_of(holder: Any) -> Any:
    """Return the module or instance whose attributes a dictionary holds; anything else as it is."""
    if type(holder) is not dict:
        return holder
    for owner in gc.get_referrers(holder):
        if any(isinstance(vars(kind).get("__dict__"), property) for kind in type(owner).__mro__):
            continue  # a proxy, such as of a Celery task that is not to be made yet
        try:
            if object.__getattribute__(owner, "__dict__") is holder:
                return owner
        except Exception:  # noqa: BLE001, S112 any object of the application's, which may answer as it likes
            continue
    return holder


def _copy_of(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__, copy.__module__, copy.__doc__ = function.__qualname__, function.__module__, function.__doc__
    copy.__annotations__ = function.__annotations__
    copy.__dict__.update(function.__dict__)
    return copy


def _code_for(function: FunctionType, wrapper: Callable[..., Any]) -> CodeType:
    kind = _call
    if inspect.iscoroutinefunction(function):
        kind = _await
    elif inspect.isgeneratorfunction(function):
        kind = _generate
    code = kind.__code__
    consts = tuple(wrapper if const == _PLACE else const for const in code.co_consts)
    # As many free variables as the closure has cells: the interpreter insists on it.
    code = code.replace(co_consts=consts, co_freevars=function.__code__.co_freevars)
    return placed_at(code, function.__code__)
