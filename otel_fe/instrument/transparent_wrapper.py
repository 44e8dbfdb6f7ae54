"""A stand-in for a callable object that is that object in everything but being called.

`functools.lru_cache`, `joblib.Memory.cache`, `numba.njit` and `functools.partial` return objects with attributes and methods of
their own. A function around one would lose them; a `Transparent` has them all, live. `isinstance`, `inspect`, pickle, copy,
numba's type inference and equality see the object underneath; `type(…)` and `is` do not.
"""

from __future__ import annotations

import copy
import sys
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FUNCTIONS: Final = (FunctionType, BuiltinFunctionType)
_OURS: Final = frozenset(
    name
    for name in dir(object)
    if name.startswith("__") and name not in ("__format__", "__lt__", "__le__", "__gt__", "__ge__")
) | {
    *("__call__", "__copy__", "__deepcopy__", "__get__", "__getattr__", "__getattribute__", "__instancecheck__"),
    *("__set_name__", "__setstate__", "__subclasscheck__", "__weakref__", "__wrapped__", "__slots__", "__del__"),
    *("__class_getitem__", "__dict__", "__getstate__", "__getnewargs__", "__getnewargs_ex__", "__prepare__", "__set__"),
}
"""Special names that `Transparent` defines itself, or that are never looked up on an instance."""
_classes: Final[dict[type, type[Transparent]]] = {}
"""Keyed by the type underneath; types that stay importable, so few."""
_MAX_CLASSES: Final = 1_000


class Transparent:
    """Stands in for a callable object; made by `stand_in`.

    Args:
        wrapped: The object.
        call: Called instead of it.
        again: Returns a stand-in of the same kind for a copy of the object, or for it bound to an instance. Pickled with the
            object where it cannot be imported by its name, so it must be picklable.
    """

    __slots__ = ("__weakref__", "__wrapped__", "_otel_fe_again", "_otel_fe_call")

    def __init__(self, wrapped: Any, call: Callable[..., Any], again: Callable[[Any], Any]) -> None:
        for name, value in (("__wrapped__", wrapped), ("_otel_fe_call", call), ("_otel_fe_again", again)):
            object.__setattr__(self, name, value)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call what was made for it instead of the object."""
        return self._otel_fe_call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # of one that was never initialised, or this would go round for ever
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __dir__(self) -> list[str]:
        return dir(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __str__(self) -> str:
        return str(self.__wrapped__)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __eq__(self, other: object) -> bool:
        answer: bool = self.__wrapped__ == underneath(other)
        return answer

    def __ne__(self, other: object) -> bool:
        answer: bool = self.__wrapped__ != underneath(other)
        return answer

    def __copy__(self) -> Any:
        return self._copied(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._copied(copy.deepcopy(self.__wrapped__, memo))

    def _copied(self, found: Any) -> Any:
        return self if found is self.__wrapped__ else self._otel_fe_again(found)

    def __reduce_ex__(self, protocol: Any) -> Any:
        wrapped: Any = self.__wrapped__
        if isinstance(wrapped, _FUNCTIONS) or _found_by_name(self):
            return wrapped.__qualname__
        return self._otel_fe_again, (wrapped,)

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(2)

    # Last: from here on these names mean the object's.
    __doc__: Any = property(lambda self: self.__wrapped__.__doc__)
    __module__: Any = property(lambda self: self.__wrapped__.__module__)
    __class__ = property(lambda self: self.__wrapped__.__class__)


def _bind(self: Any, instance: Any, owner: type | None = None) -> Any:
    """Bind to an instance as the object underneath does, which need not be as functions do."""
    bound = self.__wrapped__.__get__(instance, owner)
    if bound is self.__wrapped__:
        return self
    if type(bound) is MethodType and bound.__func__ is self.__wrapped__:
        return MethodType(self, bound.__self__)
    return self._otel_fe_again(bound)


def _forward(name: str) -> Callable[..., Any]:
    def special(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.__wrapped__, name)(*args, **kwargs)

    return special


def _class_of(kind: type) -> type[Transparent]:
    """Return the class of stand-ins for a type: it has the special methods that the type has, and no others."""
    found = _classes.get(kind)
    if found is None:
        names = {name for base in kind.__mro__ for name in vars(base) if name.startswith("__") and name.endswith("__")}
        special: dict[str, Any] = {
            name: _forward(name) for name in names - _OURS if callable(getattr(kind, name, None))
        }
        if hasattr(kind, "__get__"):
            special["__get__"] = _bind
        special.update({name: vars(Transparent)[name] for name in ("__doc__", "__module__")})  # or it has its own
        found = type(f"Transparent[{kind.__name__}]", (Transparent,), {"__slots__": (), **special})
        if len(_classes) < _MAX_CLASSES:
            _classes[kind] = found
    return found


def stand_in(wrapped: Any, call: Callable[..., Any], again: Callable[[Any], Any]) -> Transparent:
    """Return a stand-in for a callable object; see `Transparent`."""
    return _class_of(type(wrapped))(wrapped, call, again)


def underneath(value: Any) -> Any:
    """Return the object behind a stand-in; anything else unchanged."""
    return value.__wrapped__ if is_stand_in(value) else value


def is_stand_in(value: object) -> bool:
    """Return whether a value is a stand-in, which `isinstance` cannot say."""
    return issubclass(type(value), Transparent)


def _found_by_name(value: Any) -> bool:
    """Return whether its module has it under its qualified name, so that a pickle need only hold that."""
    try:
        found: Any = sys.modules[value.__module__]
        for part in value.__qualname__.split("."):
            found = getattr(found, part)
    except (AttributeError, KeyError):
        return False
    return found is value
