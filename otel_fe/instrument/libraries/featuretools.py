"""Featuretools' deep feature synthesis, and the calculation of a matrix from definitions that there are already."""

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

_TARGET: Final = 3
_FEATURES_ONLY: Final = 21
"""The positions of these arguments of `dfs`."""

ABOUT: Final = About(
    library="featuretools",
    extraction="the outermost `dfs` or `calculate_feature_matrix`, named by the target dataframe; not `dfs(features_only=True)`",
    children="`calculate_feature_matrix` inside `dfs`",
    versions=("1.11.1", "1.31.0"),
)


def patches() -> list[HookedFunction]:
    """Return what to replace in Featuretools, now that both of its functions are there."""
    return [
        HookedFunction(f"featuretools.{module}", name, functools.partial(observed, kind=kind, method=False))
        for module, name, kind in (
            ("computational_backends.calculate_feature_matrix", "calculate_feature_matrix", _CALCULATION),
            ("synthesis.dfs", "dfs", _SYNTHESIS),
        )
    ]


def _target(args: Arguments, kwargs: Named) -> str:
    return str(args[_TARGET] if len(args) > _TARGET else kwargs.get("target_dataframe_name") or "dfs")


def _calculates(args: Arguments, kwargs: Named) -> bool:
    """Return whether features are calculated, and not only defined."""
    return not (args[_FEATURES_ONLY] if len(args) > _FEATURES_ONLY else kwargs.get("features_only"))


def _target_of_definitions(args: Arguments, kwargs: Named) -> str:
    definitions = args[0] if args else kwargs.get("features")
    first: Any = definitions[0] if isinstance(definitions, list) and definitions else None
    return str(getattr(first, "dataframe_name", "") or "calculate_feature_matrix")


def _counts(_args: Arguments, _kwargs: Named, result: Any) -> Counts:
    """Return the rows of the feature matrix and its columns; `dfs` returns it with the definitions."""
    matrix = result[0] if isinstance(result, tuple) and result else result
    return rows(matrix), columns(matrix)


def _step(_args: Arguments, _kwargs: Named, _outer: Any) -> str:
    return "calculate_feature_matrix"


_SYNTHESIS: Final = CallKind(ABOUT.library, _target, lambda *_: "dfs", _counts, _calculates)
_CALCULATION: Final = CallKind(ABOUT.library, _target_of_definitions, _step, _counts)
