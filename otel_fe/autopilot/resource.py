"""The interface of a resource whose size the autopilot can change: a pool or a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from weakref import WeakSet

PATIENT_S: Final = 1.0
"""A pool whose callers wait less than this until they fail is not made smaller than the application made it."""


class CannotResizeError(Exception):
    """A resource cannot be resized; the message is a sentence that says why. It never reaches the application."""


class ResizableResource(Protocol):
    """A pool or a cache of the application's."""

    @property
    def name(self) -> str:
        """Its name, as in attributes, metrics and `OTEL_FE_AUTOPILOT_LIMITS`."""
        ...

    @property
    def kind(self) -> str:
        """`pools` or `caches`."""
        ...

    def size(self) -> int:
        """Return the most connections that it opens, or entries that it holds.

        Raises:
            CannotResizeError: The resource cannot be resized.
        """
        ...

    def resize(self, size: int) -> None:
        """Set another size. Safe while other threads use it.

        Raises:
            CannotResizeError: The resource cannot have this size.
        """
        ...

    def settle(self) -> None:
        """Continue a resize that could not be completed at once: close connections that were in use."""
        ...

    def restore(self) -> None:
        """Restore the size that the application chose."""
        ...

    def most(self) -> int | None:
        """Return the largest size that its server has room for, shared with other processes; None where nothing limits it.

        Raises:
            CannotResizeError: The server's limit cannot be read.
        """
        ...


def restore_each(resized: WeakSet[Any], restore: Callable[[Any], None]) -> None:
    """Restore the application's size of every pool; one that cannot be restored does not prevent the others. Never raises.

    Args:
        resized: The pools.
        restore: Restores one, and removes it from `resized`.
    """
    for pool in list(resized):
        try:
            restore(pool)
        except Exception as fault:  # noqa: BLE001 the others get theirs all the same
            faults.record("autopilot.restore", fault)
            resized.discard(pool)


class NotResizable:
    """Something that cannot be resized as it is.

    Args:
        name: What it is called.
        kind: `pools` or `caches`.
        why: A sentence.
    """

    def __init__(self, name: str, kind: str, why: str) -> None:
        self.name, self.kind, self._why = name, kind, why

    def size(self) -> int:
        """Raise `CannotResizeError`."""
        self._refuse()

    def resize(self, size: int) -> None:  # noqa: ARG002
        """Raise `CannotResizeError`."""
        self._refuse()

    def settle(self) -> None:
        """Do nothing."""

    def restore(self) -> None:
        """Do nothing."""

    def most(self) -> int | None:
        """Raise `CannotResizeError`."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise CannotResizeError(self._why)
