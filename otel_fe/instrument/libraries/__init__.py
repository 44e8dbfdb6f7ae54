"""Hooks of the supported libraries, each installed when, and only if, the library is imported.

Calls of caches and pools are measured inside an extraction; the outermost call of a feature library is an extraction.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

from otel_fe.config.settings import library_names

if TYPE_CHECKING:
    from types import ModuleType

    from otel_fe.instrument.imports import ImportHooks
    from otel_fe.instrument.libraries.library import Replaced

_log = logging.getLogger("otel_fe")


@dataclass(frozen=True, slots=True)
class Library:
    """A library that can be hooked, or a separately imported part of one."""

    name: str
    """As in `OTEL_FE_DISABLED_LIBRARIES`."""
    module: str
    """Whose import triggers it."""
    hooks: str
    """The module of ours whose `patches()` returns what to replace."""
    instrumentation: str = ""
    """The package of OpenTelemetry's that makes its child spans; empty where it needs none."""
    spans: str = ""
    """The subject of those spans, for the message when they are missing."""


LIBRARIES: Final = (
    Library("redis", "redis", "redis_lookups", "redis", "Redis"),
    Library("redis", "redis.asyncio", "redis_asyncio"),
    Library("redis", "opentelemetry.instrumentation.redis", "redis_spans"),
    Library("sqlalchemy", "sqlalchemy", "sqlalchemy", "sqlalchemy", "SQL"),
    Library("sqlalchemy", "opentelemetry.instrumentation.sqlalchemy.engine", "sqlalchemy_spans"),
    Library("scikit-learn", "sklearn.base", "sklearn_estimators"),
    Library("scikit-learn", "sklearn.pipeline", "sklearn_pipeline"),
    Library("feast", "feast.feature_store", "feast"),
    Library("tsfresh", "tsfresh", "tsfresh"),
    Library("featuretools", "featuretools", "featuretools"),
    Library("transformers", "transformers.pipelines.image_feature_extraction", "transformers_pipelines"),
    Library("transformers", "transformers.pipelines.feature_extraction", "transformers_pipelines"),
    Library("transformers", "transformers.feature_extraction_utils", "transformers_processors"),
    Library("transformers", "transformers.image_processing_utils", "transformers_processors"),
    Library("sentence-transformers", "sentence_transformers", "sentence_transformers"),
    Library("hamilton", "hamilton.driver", "hamilton"),
    Library("hamilton", "hamilton.async_driver", "hamilton_asyncio"),
    Library("torch", "torch.cuda", "torch"),
    Library("ray", "ray", "ray"),
)


class Libraries:
    """The libraries that are hooked at the moment.

    Args:
        disabled: Names of libraries that are left alone, separated by commas.

    Raises:
        ConfigurationError: A library is unknown.
    """

    def __init__(self, disabled: str = "") -> None:
        self._disabled = library_names("OTEL_FE_DISABLED_LIBRARIES", disabled).split(",")
        self._patches: list[Replaced] = []
        self._hooked: list[str] = []

    def __str__(self) -> str:
        return ", ".join(self._hooked) or "none yet"

    def instrument(self, hooks: ImportHooks) -> None:
        """Hook every library, now or when it is imported."""
        for library in LIBRARIES:
            if library.name not in self._disabled:
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
            self._patches.append(patch)  # before it is applied: a partial failure is undone with the rest
            patch.apply()
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
