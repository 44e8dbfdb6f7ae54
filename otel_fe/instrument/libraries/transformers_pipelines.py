"""The pipelines of transformers that extract features; each has its own module, imported on first use."""

from __future__ import annotations

import sys
from typing import Final

from otel_fe.instrument.libraries.hooked import HookedMethods
from otel_fe.instrument.libraries.transformers import PIPELINE

_CLASSES: Final = (
    ("feature_extraction", "FeatureExtractionPipeline"),
    ("image_feature_extraction", "ImageFeatureExtractionPipeline"),
)


def patches() -> list[HookedMethods]:
    """Return what to replace in those that are imported; transformers imports all of its pipelines together."""
    homes = [(sys.modules.get(f"transformers.pipelines.{module}"), name) for module, name in _CLASSES]
    return [HookedMethods(getattr(home, name), ("__call__",), PIPELINE) for home, name in homes if hasattr(home, name)]
