"""The digest that ties compiled modules to their sources; the build hook runs this file, too."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_SOURCES: Final = (".pyx", ".pxd")


def source_digest(folder: Path) -> str:
    """Return the digest of the Cython sources in `folder`; empty where there are none."""
    digest = hashlib.sha256()
    paths = sorted(path for path in folder.iterdir() if path.suffix in _SOURCES)
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest() if paths else ""
