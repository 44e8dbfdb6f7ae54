"""The libraries whose calls inside an extraction are measured, each hooked when, and only if, it is imported."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

if TYPE_CHECKING:
    from types import ModuleType

    from otel_fe.instrument.imports import ImportHooks
    from otel_fe.instrument.patch import Patch

_log = logging.getLogger("otel_fe")


@dataclass(frozen=True, slots=True)
class Library:
    """A library that can be hooked."""

    module: str
    """Whose import triggers it."""
    hooks: str
    """The module of ours whose `patches()` returns what to replace."""
    instrumentation: str
    """The package of OpenTelemetry's that makes its child spans."""
    spans: str
    """What those spans are of, for the message when they are missing."""


LIBRARIES: Final = (
    Library("redis", "redis_lookups", "redis", "Redis"),
    Library("redis.asyncio", "redis_asyncio", "", ""),
    Library("sqlalchemy", "sqlalchemy", "sqlalchemy", "SQL"),
)


class Libraries:
    """What is hooked at the moment."""

    def __init__(self) -> None:
        self._patches: list[Patch] = []
        self._hooked: list[str] = []

    def __str__(self) -> str:
        return ", ".join(self._hooked) or "none yet"

    def instrument(self, hooks: ImportHooks) -> None:
        """Hook every library, now or when it is imported."""
        for library in LIBRARIES:
            hooks.on_import(library.module, _Hook(self, library))

    def uninstrument(self) -> None:
        """Put everything back."""
        while self._patches:
            self._patches.pop().remove()
        self._hooked.clear()

    def hook(self, library: Library) -> None:
        """Hook a library that has just been imported."""
        ours: Any = importlib.import_module(f"{__name__}.{library.hooks}")
        for patch in ours.patches():
            patch.apply()
            self._patches.append(patch)
        self._hooked.append(library.module)
        reason = missing_spans_reason(library)
        if reason:
            _log.warning("otel_fe: %s", reason)


@dataclass(frozen=True, slots=True)
class _Hook:
    """Hooks one library, when called with its module."""

    libraries: Libraries
    library: Library

    def __call__(self, _module: ModuleType) -> None:
        self.libraries.hook(self.library)


def missing_spans_reason(library: Library) -> str:
    """Return why a library's child spans are missing and what to do, or an empty string."""
    name = library.instrumentation
    if not name:
        return ""
    package = f"opentelemetry-instrumentation-{name}"
    try:
        accepted = importlib.import_module(f"opentelemetry.instrumentation.{name}.package")._instruments
    except ImportError:
        return f"{library.spans} child spans are missing: pip install {package}"
    conflict = get_dependency_conflicts(accepted)
    if conflict is None:
        return ""
    return (
        f"{library.spans} child spans are missing: {package} accepts {', '.join(accepted)}, and {conflict.found} is "
        "installed; look-ups and waits for pools are measured all the same"
    )
