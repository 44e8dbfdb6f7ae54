"""Replaces a method of another library's class, so that it can be undone in any order with other instrumentations.

Plain functions, for speed. Other instrumentations wrap the public methods (`execute_command`, `Engine.connect`) and put
back what they remember, even if another has wrapped it in between; so the methods that are patched here are inner ones,
which they leave alone.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_log = logging.getLogger("otel_fe")
_ABSENT: Final = object()


class Patch:
    """One method of a class, or function of a module, replaced while applied.

    Args:
        owner: The class or module.
        name: The method. A class without it is left alone, with a debug line: libraries change.
        make: Returns the replacement, given the original. It must only call the original while no
            extraction is running.
    """

    def __init__(
        self, owner: type | ModuleType, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        self._owner = owner
        self._name = name
        self._make = make
        self._before: Any = _ABSENT
        self._after: Any = None

    def apply(self) -> None:
        """Replace the method, once."""
        if self._after is not None:
            return
        original = getattr(self._owner, self._name, None)
        if original is None:
            _log.debug("otel_fe: %s has no %s; what it would report is missing", self._owner, self._name)
            return
        self._before = vars(self._owner).get(self._name, _ABSENT)
        self._after = functools.wraps(original)(self._make(original))
        setattr(self._owner, self._name, self._after)

    def remove(self) -> None:
        """Put the original back, unless another library has wrapped ours meanwhile: theirs then calls on through it."""
        if self._after is None or vars(self._owner).get(self._name) is not self._after:
            return
        if self._before is _ABSENT:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)
        self._after = None
