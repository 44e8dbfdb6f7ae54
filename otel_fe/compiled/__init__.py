"""The hottest loops in C, where they could be compiled when the package was installed. Each has a plain twin beside its user.

`spans` is the module, or None: where there was no C compiler, and where `OTEL_FE_COMPILED=false` says so.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

SWITCH: Final = "OTEL_FE_COMPILED"


def _loaded() -> ModuleType | None:
    if os.environ.get(SWITCH, "").strip().lower() == "false":
        return None
    try:
        return importlib.import_module(f"{__name__}.spans")
    except ImportError:
        return None


spans: Final = _loaded()
