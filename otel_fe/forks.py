"""Hooks around `os.fork`. All of otel_fe's are registered here, and nowhere else.

A forked child has the memory of its parent, but not its threads, and a lock that one of them held stays held. So every
object with a thread, a lock or counters resets them in the child. Hooks cannot be removed; those of objects reference
them weakly. On platforms without forks, nothing is registered.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def after_fork(function: Callable[[], object]) -> None:
    """Call a function in each child, in the order of registration."""
    around_fork(after_in_child=function)


def renew_after_fork(method: Callable[[], object]) -> None:
    """Call a bound method in each child, for as long as its object lives."""
    around_fork(after_in_child=while_alive(method))


def while_alive(method: Callable[[], object]) -> Callable[[], None]:
    """Return a function that calls a bound method for as long as its object lives, and does not keep it alive."""
    held: weakref.WeakMethod[Any] = weakref.WeakMethod(method)

    def call() -> None:
        alive = held()
        if alive is not None:
            alive()

    return call


def around_fork(**hooks: Callable[[], object]) -> None:
    """Register `before`, `after_in_parent` and `after_in_child`, as `os.register_at_fork` takes them."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)
