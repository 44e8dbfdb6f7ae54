"""Ray: a cluster that this process starts, or a job that it submits, is instrumented as the process is.

Ray asks `RAY_RUNTIME_ENV_HOOK` for the environment of a job's workers; one that the user has set stays.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_fe.instrument.libraries.library import Replaced

_VARIABLE: Final = "RAY_RUNTIME_ENV_HOOK"
_OURS: Final = "otel_fe.ray_integration.runtime_env_hook"
"""By name: it lies above this package."""


class RuntimeEnvironmentHook:
    """The variable, while it is ours."""

    def apply(self) -> None:
        """Set it, unless the user has."""
        os.environ.setdefault(_VARIABLE, _OURS)

    def remove(self) -> None:
        """Remove the hook."""
        if os.environ.get(_VARIABLE) == _OURS:
            del os.environ[_VARIABLE]


def patches() -> list[Replaced]:
    """Return what to replace, now that Ray is imported."""
    return [RuntimeEnvironmentHook()]
