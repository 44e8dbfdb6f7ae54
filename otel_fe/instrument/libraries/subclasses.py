"""Methods of all classes below some root: the existing ones, and those that any library defines later.

Only what a class defines itself is hooked. Classes to come are met in `__init_subclass__`. Which classes are hooked is not
remembered, so that none is kept alive: putting back looks at them all again, which takes less than a millisecond.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.libraries.hooked import hook, unhook

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_INIT: Final = "__init_subclass__"
_MARK: Final = "__otel_fe_watched__"


def watched(owner: type) -> bool:
    """Return whether the classes that are made below `owner` are met already."""
    return hasattr(getattr(vars(owner).get(_INIT), "__func__", None), _MARK)


class Subclasses:
    """All classes below the roots, hooked while applied.

    Args:
        roots: The classes at the top.
        names: The methods.
        make: Returns the replacement of a function.
        last: A class of the library's whose own `__init_subclass__` replaces these methods; ours come after that.
        without: Modules whose classes are left alone.
    """

    def __init__(
        self,
        roots: tuple[type, ...],
        names: tuple[str, ...],
        make: Callable[[Callable[..., Any]], Callable[..., Any]],
        last: type | None = None,
        without: tuple[str, ...] = (),
    ) -> None:
        self._roots = roots
        self._names = names
        self._make = make
        self._last = () if last is None else (last,)
        self._without = without
        self._before: dict[type, Any] = {}

    def apply(self) -> None:
        """Hook every class there is, and see to those to come."""
        for cls in self._classes():
            self._hook(cls)
        for owner in (*self._roots, *self._last):
            if not watched(owner):
                self._watch(owner)

    def remove(self) -> None:
        """Put every class back."""
        for owner, before in self._before.items():
            if before is None:
                delattr(owner, _INIT)
            else:
                setattr(owner, _INIT, before)
        self._before.clear()
        for cls in self._classes():
            for name in self._names:
                unhook(cls, name)

    def _classes(self) -> Generator[type, None, None]:
        seen: set[type] = set()
        waiting = list(self._roots)
        while waiting:
            cls = waiting.pop()
            if cls not in seen:
                seen.add(cls)
                waiting.extend(type.__subclasses__(cls))
                yield cls

    def _watch(self, owner: Any) -> None:
        """Meet the classes that will be made below `owner`."""
        before = vars(owner).get(_INIT)

        def init_subclass(cls: Any, /, **kwargs: Any) -> None:
            if before is None:
                super(owner, cls).__init_subclass__(**kwargs)
            else:
                before.__get__(None, cls)(**kwargs)
            # Where the library still has to replace them, our turn comes after that.
            if owner in self._last or not issubclass(cls, self._last):
                self._hook(cls)

        if before is not None:
            functools.update_wrapper(init_subclass, before.__func__)
        setattr(init_subclass, _MARK, True)
        self._before[owner] = before
        setattr(owner, _INIT, classmethod(init_subclass))

    def _hook(self, cls: type) -> None:
        """Hook a class's own methods. Never raises: it may be the application's class that is being defined."""
        try:
            if cls.__module__ not in self._without:
                for name in self._names:
                    hook(cls, name, self._make)
        except Exception as fault:
            faults.record("library.class", fault)
