"""tsfresh's functions that extract features from time series."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries.hooked import HookedFunction
from otel_fe.instrument.libraries.kind import CallKind
from otel_fe.instrument.libraries.library import About
from otel_fe.instrument.libraries.observed_function import observed
from otel_fe.instrument.libraries.shapes import columns, rows

if TYPE_CHECKING:
    from otel_fe.instrument.libraries.kind import Arguments, Counts, Named

ABOUT: Final = About(
    library="tsfresh",
    extraction="the outermost `extract_features` or `extract_relevant_features`",
    children="`extract_features` inside the latter and inside tsfresh's transformers",
    versions=("0.17.0", "0.21.2"),
)


def patches() -> list[HookedFunction]:
    """Return what to replace in tsfresh, now that both of its functions are there."""
    return [
        HookedFunction(f"tsfresh.{module}", name, functools.partial(observed, kind=_kind(name), method=False))
        for module, name in (
            ("feature_extraction.extraction", "extract_features"),
            ("convenience.relevant_extraction", "extract_relevant_features"),
        )
    ]


def _counts(_args: Arguments, _kwargs: Named, result: Any) -> Counts:
    """Return the rows of the result, one for each time series, and its columns."""
    return rows(result), columns(result)


def _kind(name: str) -> CallKind:
    return CallKind(ABOUT.library, lambda _args, _kwargs: name, counts=_counts)
