"""The hottest loops in C, where they could be compiled when the package was installed. Each has a plain twin beside its user.

`spans` is the module, or None: where there was no C compiler, where `OTEL_FE_COMPILED=false` says so, and where Python runs
without its global interpreter lock. The module counts on that lock, and importing it would enable it for the whole process.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

SWITCH: Final = "OTEL_FE_COMPILED"


def _loaded() -> ModuleType | None:
    if os.environ.get(SWITCH, "").strip().lower() == "false":
        return None
    if not getattr(sys, "_is_gil_enabled", _has_lock)():
        return None
    try:
        return importlib.import_module(f"{__name__}.spans")
    except ImportError:
        return None


def _has_lock() -> bool:
    """Stand in for `sys._is_gil_enabled`, which came with Python 3.13."""
    return True


spans: Final = _loaded()
