"""The engine of this process, as the settings have it: by its own rules, or by a Collector configuration."""

from __future__ import annotations

import os
import random
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_fe.clock import SystemClock
from otel_fe.errors import ConfigurationError
from otel_fe.model.randomness import drawing
from otel_fe.pipeline.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.config.collector import CollectorConfig
    from otel_fe.config.settings import Settings
    from otel_fe.model.decision import Decision
    from otel_fe.pipeline.local_span_metrics import LocalSpanMetrics
    from otel_fe.pipeline.trace import LocalTrace

CLOCK: Final = SystemClock()
_VARIABLE: Final = "OTEL_FE_CONFIG"


class Engines:
    """Makes engines by the same settings: one for this process, and another in each forked child.

    Raises:
        ConfigurationError: `OTEL_FE_CONFIG` names a file that cannot be used; the message says all that is wrong in it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._config = _read(settings.config) if settings.config else None
        self.span_metrics: LocalSpanMetrics | None = None
        """Of the engine made last."""

    def __str__(self) -> str:
        if self._config is not None:
            return f"decides by {self._settings.config}"
        return f"{self._settings.baseline_ratio:.3g} of healthy traces kept, errors and slow ones always"

    def make(self, export: Callable[[LocalTrace, Decision], str]) -> Engine:
        """Return a new engine; `export` takes what it keeps."""
        # Not the module's functions: an application that seeds `random` would get other numbers than without us.
        draw = drawing(random.Random().random)  # noqa: S311 chooses exemplars, guards nothing
        if self._config is None:
            return Engine(self._settings, CLOCK, draw, export)
        from otel_fe.config.policies import TailSampling  # noqa: PLC0415 most processes have no configuration
        from otel_fe.pipeline.local_span_metrics import LocalSpanMetrics  # noqa: PLC0415
        from otel_fe.sdk.span_view import SpanViews  # noqa: PLC0415

        views = SpanViews()
        sampling = next((p for p in self._config.processors.values() if isinstance(p, TailSampling)), None)
        metrics = LocalSpanMetrics(self._config.connectors.values(), CLOCK, draw, str(uuid.uuid4()), views)
        self.span_metrics = metrics or None
        return Engine(self._settings, CLOCK, draw, export, sampling, views, self.span_metrics)


def _read(file: str) -> CollectorConfig:
    from otel_fe.config.collector import read_collector_config  # noqa: PLC0415 needs an extra

    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(_VARIABLE, file, f"name a file that can be read: {error}") from None
    return read_collector_config(text, file, os.environ)
