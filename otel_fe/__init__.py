"""otel_fe: one span per feature extraction, exact metrics of all of them, and the traces worth keeping."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from otel_fe.version import __version__

if TYPE_CHECKING:
    from otel_fe.alerting import FeatureExtractionAlertingSystem
    from otel_fe.enhanced_metrics import EnhancedMetricsCollector
    from otel_fe.errors import ConfigurationError, MissingExtraError, OtelFeError
    from otel_fe.instrument.declared import extraction
    from otel_fe.instrument.extraction import current_extraction
    from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor
    from otel_fe.instrument.launcher import configure
    from otel_fe.instrument.runtime import explain_decision, why
    from otel_fe.monitoring import FeatureExtractionPerformanceMonitor

__all__ = [
    "ConfigurationError",
    "EnhancedMetricsCollector",
    "FeatureExtractionAlertingSystem",
    "FeatureExtractionInstrumentor",
    "FeatureExtractionPerformanceMonitor",
    "MissingExtraError",
    "OtelFeError",
    "__version__",
    "configure",
    "current_extraction",
    "explain_decision",
    "extraction",
    "why",
]

_HOMES: Final = {
    "ConfigurationError": "errors",
    "EnhancedMetricsCollector": "enhanced_metrics",
    "FeatureExtractionAlertingSystem": "alerting",
    "FeatureExtractionInstrumentor": "instrument.instrumentor",
    "FeatureExtractionPerformanceMonitor": "monitoring",
    "MissingExtraError": "errors",
    "OtelFeError": "errors",
    "configure": "instrument.launcher",
    "current_extraction": "instrument.extraction",
    "explain_decision": "instrument.runtime",
    "extraction": "instrument.declared",
    "why": "instrument.runtime",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
