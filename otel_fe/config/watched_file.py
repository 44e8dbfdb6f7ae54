"""A file that may change while the collector runs: a bearer token, or several."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class WatchedFile:
    """A file whose content is taken over whenever it has changed. Safe to share between threads.

    Args:
        path: The file.
        take: Takes over its content; a ValueError says that it is unusable.
    """

    def __init__(self, path: Path, take: Callable[[bytes], None]) -> None:
        self._path = path
        self._take = take
        self._lock = threading.Lock()
        self._version: tuple[int, int, int] | None = None

    def refresh(self) -> None:
        """Read the file if it has changed. While it cannot be read or used, what was taken over last stays."""
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            with self._lock:
                if version == self._version:
                    return
                self._take(self._path.read_bytes())
                self._version = version
        except (OSError, ValueError):
            return
