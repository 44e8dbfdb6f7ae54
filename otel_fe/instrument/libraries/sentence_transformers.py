"""sentence-transformers' encoders: dense, and from 5.0 sparse and of several vectors."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries.hooked import HookedMethods
from otel_fe.instrument.libraries.kind import CallKind
from otel_fe.instrument.libraries.library import About
from otel_fe.instrument.libraries.observed_function import observed
from otel_fe.instrument.libraries.shapes import texts, whole
from otel_fe.instrument.libraries.transformers import model_name

if TYPE_CHECKING:
    from otel_fe.instrument.libraries.kind import Arguments, Counts, Named

_CLASSES: Final = ("SentenceTransformer", "SparseEncoder", "MultiVectorEncoder")

ABOUT: Final = About(
    library="sentence-transformers",
    extraction="the outermost `SentenceTransformer.encode`, also by `encode_query` and `encode_document`, named by the model; "
    "`SparseEncoder` and `MultiVectorEncoder` likewise",
    children="",
    versions=("2.3.0", "6.2.0"),
)


def patches() -> list[HookedMethods]:
    """Return what to replace in sentence-transformers, now that it is imported."""
    home = sys.modules["sentence_transformers"]
    classes = [getattr(home, name) for name in _CLASSES if hasattr(home, name)]
    make = functools.partial(observed, kind=_KIND, method=True)
    return [HookedMethods(cls, ("encode",), make) for cls in classes]


def _name(args: Arguments, _kwargs: Named) -> str:
    """Return the model below; where there is none, the encoder's own class."""
    encoder = args[0]
    modules: dict[str, Any] = getattr(encoder, "_modules", {})
    first = next(iter(modules.values()), None)
    model = getattr(first, "auto_model", None)
    return type(encoder).__name__ if model is None else model_name(model)


def _counts(args: Arguments, kwargs: Named, result: Any) -> Counts:
    """Return the inputs, and the size of one embedding; of embeddings in a list, of the first."""
    inputs = args[1] if len(args) > 1 else kwargs.get("inputs", kwargs.get("sentences"))
    first = result[0] if isinstance(result, list) and result else result
    shape = getattr(first, "shape", None)
    return texts(inputs), whole(shape[-1]) if isinstance(shape, tuple) and shape else None


_KIND: Final = CallKind(ABOUT.library, _name, counts=_counts)
