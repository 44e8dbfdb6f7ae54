"""A window's figures as a file: JSON, CSV, or an HTML report that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.answer import Answer
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.report import FORMATS, written
from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_fe.dashboard.stored import Stored
    from otel_fe.dashboard.view_address import ViewAddress

_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
}


def export(stored: Stored, address: ViewAddress, kind: str) -> Answer:
    """Return a file to be saved.

    Raises:
        ConfigurationError: There is no such format.
        StoreError: The store cannot be read.
    """
    if kind not in FORMATS:
        raise ConfigurationError("/export", kind, f"use one of {', '.join(FORMATS)}")
    text = written(exported(stored, address), kind)
    disposition = ("Content-Disposition", f'attachment; filename="feature-extraction.{kind}"')
    return Answer(200, text.encode(), _TYPES[kind], (disposition,))


def exported(stored: Stored, address: ViewAddress) -> dict[str, Any]:
    """Return the sections under the names that `FeatureExtractionDashboard` gives them."""
    found = overview(stored, address)
    since, until = found["window"]
    return {
        "since_unix_s": since / 1e9,
        "until_unix_s": until / 1e9,
        "service": address.service,
        "feature_set": address.feature_set,
        "real_time_performance": found["figures"],
        "performance_trends": found["over_time"],
        "system_health": found["health"],
        "alerts": found["alerts"],
        "recommendations": found["recommendations"],
        "groups": found["groups"],
    }
