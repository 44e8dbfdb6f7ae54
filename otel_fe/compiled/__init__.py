"""The optional compiled implementation of the hottest loops. Each has a plain one, which defines the behaviour.

`backend` is the compiled modules together, or None if they are not used, and `missing` is the reason then: there was no C compiler
at installation, `OTEL_FE_COMPILED=false`, a module cannot be loaded, one was compiled from other sources than those beside it, or
Python runs without its global interpreter lock. The modules rely on that lock, and importing them would enable it for the process.

Users read `compiled.backend`; nothing else decides between the two implementations. Both follow the same protocol.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_fe.compiled.digest import source_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.compiled.protocols import Backend

SWITCH: Final = "OTEL_FE_COMPILED"
"""`true`, `false` or `required`. Read here, when first imported; checked where settings are: `config/settings.py`."""


def load(environ: Mapping[str, str]) -> tuple[Backend | None, str]:
    """Return the compiled modules, or None and the reason why they are not used."""
    if environ.get(SWITCH, "").strip().lower() == "false":
        return None, f"{SWITCH}=false"
    if not getattr(sys, "_is_gil_enabled", _has_lock)():
        return None, "Python runs without its global interpreter lock"
    try:
        from otel_fe.compiled import modules  # noqa: PLC0415 only then
    except ModuleNotFoundError:
        return None, "it was not compiled when otel_fe was installed"
    except Exception as error:  # modules that do not fit each other raise more than ImportError
        return None, f"it cannot be loaded ({type(error).__name__}: {error})"
    if not _current(modules):
        return None, "it was compiled from other sources than those of this version: install otel_fe again"
    return modules, ""


def _current(modules: Backend) -> bool:
    """Return whether all modules were compiled from the sources beside them; without sources there is nothing to compare."""
    digest = source_digest(Path(__file__).parent)
    return not digest or frozenset([digest]) == modules.SOURCES


def _has_lock() -> bool:
    """Stand in for `sys._is_gil_enabled`, which came with Python 3.13."""
    return True


_found = load(os.environ)
backend: Final = _found[0]
missing: Final = _found[1]
"""The reason why `backend` is None; empty if it is not."""
