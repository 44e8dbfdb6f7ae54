"""The optional compiled module of the hottest loops. Each loop has a plain twin beside its user, which says what is right.

`spans` is the module, or None where it is not used, and `missing` then says why: there was no C compiler at installation,
`OTEL_FE_COMPILED=false`, the file cannot be loaded, it was compiled from other sources than those beside it, or Python runs without
its global interpreter lock. The module counts on that lock, and importing it would enable it for the whole process.

Users read `compiled.spans`; nothing else decides between the two implementations.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from otel_fe.compiled.digest import source_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.compiled.backend import Backend

SWITCH: Final = "OTEL_FE_COMPILED"
"""`true`, `false` or `required`. Read here, when first imported; checked where settings are: `config/settings.py`."""


def load(environ: Mapping[str, str]) -> tuple[Backend | None, str]:
    """Return the compiled module, or None and the reason why it is not used."""
    if environ.get(SWITCH, "").strip().lower() == "false":
        return None, f"{SWITCH}=false"
    if not getattr(sys, "_is_gil_enabled", _has_lock)():
        return None, "Python runs without its global interpreter lock"
    name = f"{__name__}.spans"
    if importlib.util.find_spec(name) is None:
        return None, "it was not compiled when otel_fe was installed"
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return None, f"it cannot be loaded ({error})"
    if not _current(module):
        return None, "it was compiled from other sources than those of this version: install otel_fe again"
    return cast("Backend", module), ""


def _current(module: Any) -> bool:
    """Return whether a module was compiled from the sources beside it; without sources there is nothing to compare."""
    digest = source_digest(Path(__file__).parent)
    return not digest or getattr(module, "SOURCES", "") == digest


def _has_lock() -> bool:
    """Stand in for `sys._is_gil_enabled`, which came with Python 3.13."""
    return True


_found = load(os.environ)
spans: Final = _found[0]
missing: Final = _found[1]
"""Why `spans` is None; empty where it is not."""
