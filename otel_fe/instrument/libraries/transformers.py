"""transformers: what is made to extract features.

That is the pipelines of that name, and feature extractors and image processors, which turn sound and images into arrays. Not
tokenizers: they only encode a text, in microseconds and before every call of any language model. And not models as such:
whether an output is a feature only the application knows; it can name its function in `OTEL_FE_TARGETS`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries.kind import CallKind
from otel_fe.instrument.libraries.library import About
from otel_fe.instrument.libraries.observed_function import observed
from otel_fe.instrument.libraries.shapes import columns, rows, texts, whole

if TYPE_CHECKING:
    from otel_fe.instrument.libraries.kind import Arguments, Counts, Named

ABOUT: Final = About(
    library="transformers",
    extraction="a call of `FeatureExtractionPipeline` or `ImageFeatureExtractionPipeline`, named by the model; the outermost "
    "call of a feature extractor or image processor; not tokenizers",
    children="feature extractors and image processors inside a pipeline",
    versions=("4.26.0", "5.23.0"),
)


def model_name(model: Any) -> str:
    """Return what a model is called on a hub, or the last folder of its path; else its class."""
    name = getattr(getattr(model, "config", None), "_name_or_path", None) or getattr(model, "name_or_path", None)
    if not isinstance(name, str) or not name:
        return type(model).__name__
    parts = name.replace("\\", "/").rstrip("/").split("/")
    return name if len(parts) == 2 and all(parts) and parts[0] not in (".", "..", "~") else parts[-1]  # noqa: PLR2004


def _pipeline_name(args: Arguments, _kwargs: Named) -> str:
    return model_name(getattr(args[0], "model", None))


def _pipeline_counts(args: Arguments, kwargs: Named, _result: Any) -> Counts:
    """Return the inputs, and the size of the model's hidden states."""
    config = getattr(getattr(args[0], "model", None), "config", None)
    inputs = args[1] if len(args) > 1 else kwargs.get("inputs", kwargs.get("images"))
    return texts(inputs), whole(getattr(config, "hidden_size", None))


def _class_name(args: Arguments, _kwargs: Named) -> str:
    return type(args[0]).__name__


def _processor_counts(_args: Arguments, _kwargs: Named, result: Any) -> Counts:
    """Return rows and columns of the first array of the result; images have no columns."""
    data = getattr(result, "data", None)
    first: Any = next(iter(data.values()), None) if isinstance(data, dict) else None
    return rows(first), columns(first)


PIPELINE: Final = functools.partial(
    observed, kind=CallKind(ABOUT.library, _pipeline_name, counts=_pipeline_counts), method=True
)
"""Makes what replaces a pipeline's `__call__`."""
PROCESSOR: Final = functools.partial(
    observed, kind=CallKind(ABOUT.library, _class_name, counts=_processor_counts), method=True
)
"""Makes what replaces the `__call__` of a feature extractor or image processor."""
