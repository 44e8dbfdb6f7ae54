"""The declaration of an extraction: everything known before it is called."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_fe import semconv
from otel_fe.sdk.plain_values import valid_text, whole


@dataclass(frozen=True, slots=True)
class Spec:
    """The declaration of an extraction: everything known before it is called."""

    feature_set: str = ""
    """Empty for an extraction without one."""
    library: str = ""
    """The library that computes the features, where known."""
    function: str = ""
    """Qualified name of the function, as `code.function.name`; empty for a block."""
    batch_size: int | None = None
    """Entities per call, where known."""
    features: int | None = None
    """Features per entity, where known."""
    outermost: bool = False
    """Whether a call inside an extraction with this very spec is part of it: an implementation that calls its base's."""
    span_name: str = field(init=False)
    """Name of the span."""

    def __post_init__(self) -> None:
        for text in ("feature_set", "library", "function"):
            object.__setattr__(self, text, valid_text(getattr(self, text)))
        for count in ("batch_size", "features"):
            object.__setattr__(self, count, whole(getattr(self, count)))
        name = f"{semconv.SPAN_NAME} {self.feature_set}" if self.feature_set else semconv.SPAN_NAME
        object.__setattr__(self, "span_name", name)
