"""Feature extractors and image processors of transformers, whose classes are many and imported one by one."""

from __future__ import annotations

import sys
from typing import Final

from otel_fe.instrument.libraries.subclasses import Subclasses, watched
from otel_fe.instrument.libraries.transformers import PROCESSOR

_ROOTS: Final = (
    ("transformers.feature_extraction_utils", "FeatureExtractionMixin"),
    ("transformers.image_processing_utils", "BaseImageProcessor"),
)


def patches() -> list[Subclasses]:
    """Return what to replace below the roots that are there by now; one that comes later brings us here again."""
    roots = tuple(
        getattr(sys.modules[module], name) for module, name in _ROOTS if hasattr(sys.modules.get(module), name)
    )
    return [Subclasses((root,), ("__call__",), PROCESSOR) for root in roots if not watched(root)]
