"""The spans of `opentelemetry-instrumentation-redis`, in less time: what is the same for each command is worked out once.

The attributes of a connection depend only on its settings, the text of a command only on its name and the number of
its arguments. The instrumentation has functions of its own for both; their answers are remembered here, and stay its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries.instrumented import asked_directly
from otel_fe.instrument.patch import Patch
from otel_fe.sdk.span import LeanSpan

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST: Final = 256
"""Different answers that are remembered; a client has one or a few."""
_LONGEST_NAME: Final = 64
"""The length of a command, in characters, beyond which it is more than a name."""


def patches() -> list[Patch]:
    """Return what to replace in the instrumentation, now that it is imported."""
    from opentelemetry.instrumentation import redis  # noqa: PLC0415 only once the launcher has
    from opentelemetry.instrumentation.redis import util  # noqa: PLC0415

    return [
        Patch(util, "_extract_conn_attributes", _remembering),
        Patch(redis, "_set_connection_attributes", _setting_at_once),
        Patch(redis, "_format_command_args", _formatting_once),
        Patch(redis, "is_instrumentation_enabled", asked_directly),
    ]


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


def _setting_at_once(original: Callable[..., Any]) -> Callable[..., Any]:
    from opentelemetry.instrumentation.redis import util  # noqa: PLC0415 it is there by now

    def replacement(span: Any, client: Any, *modes: Any) -> Any:
        if type(span) is not LeanSpan:
            return original(span, client, *modes)
        settings = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
        if settings is not None and span.is_recording():  # a cluster has none
            span.set_attributes(util._extract_conn_attributes(settings, *modes))  # type: ignore[no-untyped-call]
        return None

    return replacement


def _formatting_once(original: Callable[..., Any]) -> Callable[..., Any]:
    answers: dict[tuple[str, int], str] = {}

    def replacement(args: Any) -> Any:
        if not args or type(args[0]) is not str or len(args[0]) > _LONGEST_NAME:
            return original(args)
        key = (args[0], len(args))
        found = answers.get(key)
        if found is None:
            found = original(args)
            if len(answers) < _MOST:
                answers[key] = found
        return found

    return replacement
