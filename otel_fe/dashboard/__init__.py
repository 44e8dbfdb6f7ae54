"""The dashboard: from a latency bucket to the trace behind it.

`otel-fe dashboard` serves pages made of a store; `FeatureExtractionDashboard` returns the same sections for the process it runs in.
What the pages need beyond the standard library (the extra `dashboard`) is imported when they are served, and not before.
"""

from __future__ import annotations

from otel_fe.dashboard.live_dashboard import FeatureExtractionDashboard

__all__ = ["FeatureExtractionDashboard"]
