"""The errors of a store, each with its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.errors import OtelFeError

if TYPE_CHECKING:
    from pathlib import Path


class StoreError(OtelFeError, OSError):
    """The store cannot be used, now.

    Attributes:
        path: Its directory, or the file in it that is meant.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"store {path}: {why}")
        self.path = path


class StoreBusyError(StoreError):
    """Another process writes to it."""


class StoreMissingError(StoreError):
    """The store is missing or empty: no process has written to it yet."""


class InvalidItemError(OtelFeError, ValueError):
    """An item is malformed; the rest of its batch is stored."""
