"""The errors of a queue on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.errors import OtelFeError

if TYPE_CHECKING:
    from pathlib import Path


class StorageError(OtelFeError, OSError):
    """The queue on disk cannot be used.

    Attributes:
        path: Its file.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"file_storage: {path}: {why}")
        self.path = path


class StorageFullError(OtelFeError, OSError):
    """The disk is full, or fails."""


class DamagedError(OtelFeError):
    """The file is damaged."""
