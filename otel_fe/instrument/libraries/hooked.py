"""A method or function of a library, replaced by one whose calls are seen.

What the application can look at stays what it was: `Class.method` is a function with the same name, signature and
documentation, a conditional method (scikit-learn's `available_if`) is absent where it was absent, abstract ones stay abstract,
and what pickles a class by value (cloudpickle, so joblib's workers) gets the original.
"""

from __future__ import annotations

import copy
import functools
import sys
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ABSENT: Final = object()


class Hooked:
    """The object in a class's `__dict__` that replaces one of its methods.

    Args:
        held: What stood there: a function, or a descriptor with one as its `fn`.
        replacement: What is called instead of that function.
    """

    def __init__(self, held: Any, replacement: Callable[..., Any]) -> None:
        self.held = held
        self._replacement = replacement
        self._plain = isinstance(held, FunctionType)
        # So that code which finds it there, rather than by the class's attribute, can wrap it as that function.
        functools.update_wrapper(self, replacement)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it as a method of its first argument."""
        return self.__get__(args[0], type(args[0]))(*args[1:], **kwargs)

    @property
    def __isabstractmethod__(self) -> bool:
        return bool(getattr(self.held, "__isabstractmethod__", False))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is not None:
            if not self._plain:
                self.held.__get__(instance, owner)  # raises where the method is not there
            return MethodType(self._replacement, instance)
        return self._replacement if self._plain else self.held.__get__(None, owner)

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        # A class that is pickled by value goes without us: the process that unpickles it may not have otel_fe.
        return copy.copy, (self.held,)


def function_of(held: Any) -> Callable[..., Any] | None:
    """Return the function in what a class's `__dict__` holds, or None where there is none to replace."""
    if isinstance(held, FunctionType):
        return held
    inner = getattr(held, "fn", None)
    return inner if isinstance(inner, FunctionType) and hasattr(type(held), "__get__") else None


def hook(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a method that a class itself defines; one that is hooked already, or no function, is left as it is."""
    held = vars(owner).get(name, _ABSENT)
    function = function_of(held)
    if function is not None and not isinstance(held, Hooked):
        setattr(owner, name, Hooked(held, make(function)))


def unhook(owner: type, name: str) -> None:
    """Put the method back, unless another library has wrapped ours meanwhile: theirs then calls on through it."""
    held = vars(owner).get(name)
    if isinstance(held, Hooked):
        setattr(owner, name, held.held)


class HookedMethods:
    """Methods of one class, hooked while applied.

    Args:
        owner: The class.
        names: Its methods; those that it does not define itself are left alone.
        make: Returns the replacement, given the function.
    """

    def __init__(
        self, owner: type, names: tuple[str, ...], make: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        self._owner = owner
        self._names = names
        self._make = make

    def apply(self) -> None:
        """Hook them, once."""
        for name in self._names:
            hook(self._owner, name, self._make)

    def remove(self) -> None:
        """Put them back."""
        for name in self._names:
            unhook(self._owner, name)


class HookedFunction:
    """A module's function, replaced while applied: wherever a module holds it, for `from … import …` has made copies.

    Args:
        module: The module that defines it.
        name: The function; a module without it is left alone.
        make: Returns the replacement, given the function.
    """

    def __init__(self, module: str, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._original: Any = getattr(sys.modules.get(module), name, None)
        self._name = name
        self._make = make
        self._replacement: Any = None

    def apply(self) -> None:
        """Replace it, once."""
        if self._replacement is None and callable(self._original):
            self._replacement = self._make(self._original)
            _exchange(self._original, self._replacement)

    def remove(self) -> None:
        """Put it back, also where it was copied to since."""
        if self._replacement is not None:
            _exchange(self._replacement, self._original)
            self._replacement = None


def _exchange(old: Any, new: Any) -> None:
    for module in list(sys.modules.values()):
        names: dict[str, Any] = getattr(module, "__dict__", {})
        for name, value in list(names.items()):
            if value is old:
                names[name] = new
