"""The hottest loops in C, where they could be compiled when the package was installed. Each has a plain twin beside its user.

`spans` is the module, or None: where there was no C compiler, and where `OTEL_FE_COMPILED=false` says so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

SWITCH: Final = "OTEL_FE_COMPILED"


def _loaded() -> ModuleType | None:
    if os.environ.get(SWITCH, "").strip().lower() == "false":
        return None
    try:
        from otel_fe.compiled import spans as module  # noqa: PLC0415 it may not be there
    except ImportError:
        return None
    return module


spans: Final = _loaded()
