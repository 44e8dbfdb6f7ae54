"""The attributes of a connection on the spans of `opentelemetry-instrumentation-redis`: worked out once, not for each command.

The instrumentation asks a function of its own for them, which depends on nothing but the connection's settings and takes a
third of the instrumentation's time. Its answers are remembered here; what it answers stays its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST: Final = 256
"""Different answers that are remembered; a client has one or a few."""


def patches() -> list[Patch]:
    """Return what to replace in the instrumentation, now that it is imported."""
    from opentelemetry.instrumentation.redis import util  # noqa: PLC0415 only once the launcher has

    return [Patch(util, "_extract_conn_attributes", _remembering)]


def _remembering(original: Callable[..., Any]) -> Callable[..., Any]:
    answers: dict[Any, dict[str, Any]] = {}

    def replacement(settings: Any, *modes: Any) -> Any:
        try:
            get = settings.get
            # Whether there is a path matters, not only which.
            key = (get("host"), get("port"), get("db"), get("path"), "path" in settings, modes)
            found = answers.get(key)
        except Exception:  # noqa: BLE001 settings of another kind are the instrumentation's to understand
            return original(settings, *modes)
        if found is None:
            found = original(settings, *modes)
            if len(answers) < _MOST:
                answers[key] = found
        return found

    return replacement
