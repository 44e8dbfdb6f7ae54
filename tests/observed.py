"""An instrumented process whose spans and metrics stay in memory: what users get from `otel_fe.testing`, under the tests' names."""

from __future__ import annotations

from otel_fe.testing import Captured as Observed
from otel_fe.testing import capture as instrumented

__all__ = ["Observed", "instrumented"]
