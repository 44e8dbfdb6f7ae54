"""Sets up the SDK's providers by the standard variables, unless the application has."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider
from opentelemetry._logs._internal import ProxyLoggerProvider
from opentelemetry.environment_variables import OTEL_METRICS_EXPORTER, OTEL_TRACES_EXPORTER
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_SDK_DISABLED
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

_log: Final = logging.getLogger("otel_fe")
DEFAULTS: Final = {
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
}
"""The default of `opentelemetry-distro`; without it the SDK would export nothing."""


def sdk_disabled(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether `OTEL_SDK_DISABLED` switches everything off."""
    return environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"


def ensure_providers() -> None:
    """Set up the SDK by the `OTEL_*` variables, unless a provider of any signal has been set already.

    An application that sets one provider decides about the others: a declarative file with only a meter provider wants no spans,
    and an application with a provider other than the SDK's, or a no-op one, does not expect exporters of the SDK beside it.
    """
    if _any_provider_set():
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            _log.info(
                "otel_fe: providers are set, but no tracer provider: extractions have no spans and are not counted"
            )
        return
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator  # noqa: PLC0415 30 ms that most never need

    class _Configurator(_OTelSDKConfigurator):
        """The SDK's own configurator, which distributions are meant to subclass."""

    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    configurator: Any = _Configurator
    configurator().configure()


def _any_provider_set() -> bool:
    return not (
        isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        and isinstance(metrics.get_meter_provider(), _ProxyMeterProvider)
        and isinstance(get_logger_provider(), ProxyLoggerProvider)
    )


def tracer_provider(given: object = None) -> TracerProvider | None:
    """Return the SDK tracer provider: the one given, else the global one; None where that is not the SDK's."""
    found = trace.get_tracer_provider() if given is None else given
    return found if isinstance(found, TracerProvider) else None


def meter_provider(given: object = None) -> MeterProvider | None:
    """Return the SDK meter provider: the one given, else the global one; None where that is not the SDK's."""
    found = metrics.get_meter_provider() if given is None else given
    return found if isinstance(found, MeterProvider) else None
