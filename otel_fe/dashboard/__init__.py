"""The dashboard: from a latency bucket to the trace behind it.

`otel-fe dashboard` serves pages made of a store; `FeatureExtractionDashboard` returns the same sections for the process it runs in.
What the pages need beyond the standard library (the extra `dashboard`) is imported when they are served, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_fe.dashboard.live_dashboard import FeatureExtractionDashboard

__all__ = ["FeatureExtractionDashboard"]


def __getattr__(name: str) -> Any:
    """Load the component on first access: the command `otel-fe` does not need it."""
    if name in __all__:
        from otel_fe.dashboard import live_dashboard  # noqa: PLC0415 see above

        return getattr(live_dashboard, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
