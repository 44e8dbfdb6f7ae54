"""Reads from the context whether instrumentations are suppressed: they check it up to eight times per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.instrumentation import utils

from otel_fe.sdk.context import get_context

if TYPE_CHECKING:
    from collections.abc import Callable


def asked_directly(original: Callable[..., bool]) -> Callable[..., bool]:
    """Return what answers as `opentelemetry.instrumentation.utils.is_instrumentation_enabled`, which it is to replace."""
    plain: Any = getattr(utils, "_SUPPRESS_INSTRUMENTATION_KEY_PLAIN", None)

    def is_instrumentation_enabled() -> bool:
        if plain is None:  # another version
            return original()
        context = get_context()
        return not (context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get(plain))

    return is_instrumentation_enabled
