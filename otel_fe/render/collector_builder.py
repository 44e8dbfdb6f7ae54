"""The manifest that the Collector's builder makes the fleet's binary of."""

from __future__ import annotations

from typing import Any, Final

from otel_fe.render.yaml_file import write_yaml

VERSION: Final = "0.160.0"
"""Of the Collector and its contributed components; the newest at which all of them can be had, and the one we are tested with."""
BINARY: Final = "otelcol-fe"
"""The binary that the builder makes, in its output folder."""
_PROVIDERS: Final = "1.66.0"
_CORE: Final = "go.opentelemetry.io/collector"
_CONTRIB: Final = "github.com/open-telemetry/opentelemetry-collector-contrib"
_MODULES: Final = {
    "extensions": (f"{_CONTRIB}/extension/healthcheckextension", f"{_CONTRIB}/extension/storage/filestorage"),
    "receivers": (f"{_CORE}/receiver/otlpreceiver",),
    "processors": (
        f"{_CORE}/processor/batchprocessor",
        f"{_CORE}/processor/memorylimiterprocessor",
        f"{_CONTRIB}/processor/deltatocumulativeprocessor",
        f"{_CONTRIB}/processor/tailsamplingprocessor",
    ),
    "exporters": (
        f"{_CORE}/exporter/debugexporter",
        f"{_CORE}/exporter/otlpexporter",
        f"{_CONTRIB}/exporter/loadbalancingexporter",
        f"{_CONTRIB}/exporter/prometheusremotewriteexporter",
    ),
    "connectors": (f"{_CONTRIB}/connector/signaltometricsconnector", f"{_CONTRIB}/connector/spanmetricsconnector"),
}


def builder_yaml(comments: tuple[str, ...]) -> str:
    """Return the manifest."""
    manifest: dict[str, Any] = {
        "dist": {
            "name": BINARY,
            "description": "The OpenTelemetry Collector with what a fleet of otel_fe needs, and nothing else",
            "version": VERSION,
            "output_path": "./out",
        }
    }
    for section, modules in _MODULES.items():
        manifest[section] = [{"gomod": f"{module} v{VERSION}"} for module in modules]
    providers = [f"{_CORE}/confmap/provider/{kind}provider v{_PROVIDERS}" for kind in ("env", "file", "yaml")]
    manifest["providers"] = [{"gomod": module} for module in providers]
    return write_yaml(manifest, comments)
