"""The hook of `opentelemetry-instrument`, and `configure()`, which does the same from code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.config.settings import Settings

_ENTRY_POINT: Final = "otel_fe"


def pre_instrument() -> None:
    """Set up the SDK's providers, unless the launcher has: it does where `opentelemetry-distro` is installed.

    Entry point `opentelemetry_pre_instrument`: called before any instrumentation is loaded.
    """
    try:
        if not switched_off():
            # Not above: the launcher loads this module even if otel_fe is disabled.
            from otel_fe.sdk.providers import ensure_providers, sdk_disabled  # noqa: PLC0415

            if not sdk_disabled() and not _set_up_by_a_file():
                ensure_providers()
    except Exception as fault:
        faults.record("launcher.providers", fault)


def configure(settings: Settings | None = None) -> None:
    """Set up the SDK by the standard `OTEL_*` variables, unless a provider of any signal is set, and instrument this process.

    Does nothing under `OTEL_SDK_DISABLED=true`, or when the process is instrumented already. A variable that cannot be used is
    one line in the log, and otel_fe stays off.

    Args:
        settings: What to use instead of the `OTEL_FE_*` variables.

    Raises:
        ConfigurationError: `settings` cannot be used.
    """
    from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor  # noqa: PLC0415 as above
    from otel_fe.sdk.providers import ensure_providers, sdk_disabled  # noqa: PLC0415

    if sdk_disabled():
        return
    ensure_providers()
    instrumentor = FeatureExtractionInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(settings=settings)


def _set_up_by_a_file() -> bool:
    """Return whether a configurator has read a declarative file, which may configure no provider at all."""
    if not os.environ.get("OTEL_CONFIG_FILE"):
        return False
    from importlib.metadata import entry_points  # noqa: PLC0415 few processes ask

    return bool(entry_points(group="opentelemetry_configurator"))


def switched_off(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether otel_fe is disabled for the launcher, which applies that to instrumentors only."""
    names = {name.strip() for name in environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    return bool(names & {_ENTRY_POINT, "*"})
