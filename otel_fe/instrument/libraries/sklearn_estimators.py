"""scikit-learn's transformers: the existing ones, and those that any library defines later.

Every class under `BaseEstimator` or `TransformerMixin` that defines `transform` or `fit_transform` itself has it hooked; a
class that inherits them needs nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries.kind import CallKind
from otel_fe.instrument.libraries.library import About
from otel_fe.instrument.libraries.observed_function import observed
from otel_fe.instrument.libraries.shapes import columns, cut, rows
from otel_fe.instrument.libraries.subclasses import Subclasses

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.libraries.kind import Arguments, Counts, Named

LIBRARY: Final = "scikit-learn"
METHODS: Final = ("transform", "fit_transform")
_NOT_FEATURES: Final = ("sklearn.preprocessing._label", "sklearn.ensemble._hist_gradient_boosting.binning")
"""Transformers of targets, and a private one inside of models."""
_GIVEN: Final = ("steps", "transformers", "transformer_list")
_FITTED: Final = ("transformers_",)
"""The attributes in which composed estimators keep their steps, as given and as fitted."""

ABOUT: Final = About(
    library=LIBRARY,
    extraction="the outermost `transform` or `fit_transform` of a transformer, `Pipeline`, `ColumnTransformer` or "
    "`FeatureUnion`; of `Pipeline.predict` and the like, and of `Pipeline.fit`, its transformers without the model",
    children="every transformer inside it, also in joblib's threads and processes",
    versions=("1.1.3", "1.9.1"),
)


def patches() -> list[Subclasses]:
    """Return what to replace in scikit-learn, now that it is imported."""
    base = sys.modules["sklearn.base"]
    # scikit-learn's own wrapper (`set_output`) comes in there, from 1.2: ours is to be around it.
    last = getattr(sys.modules.get("sklearn.utils._set_output"), "_SetOutputMixin", None)
    return [Subclasses((base.BaseEstimator, base.TransformerMixin), METHODS, transforming, last, _NOT_FEATURES)]


def name_of(args: Arguments, _kwargs: Named) -> str:
    """Return an estimator's class; of one that is composed of others, with the names of these."""
    subject = args[0]
    names = [step[0] for step in _steps(subject, *_GIVEN) if isinstance(step[0], str)]
    cls = type(subject).__name__
    return cut(f"{cls}[{', '.join(names)}]") if names else cls


def step_name(args: Arguments, kwargs: Named, outer: Any) -> str:
    """Return an estimator's class, with the name that it has in what it is a step of."""
    subject = args[0]
    for step in _steps(outer, *_FITTED, *_GIVEN):
        if step[1] is subject:
            return cut(f"{type(subject).__name__} {step[0]}")
    return name_of(args, kwargs)


def _steps(subject: Any, *attributes: str) -> list[tuple[Any, ...]]:
    """Return the steps of a composed estimator by the first of these attributes that it has; else nothing."""
    for attribute in attributes:
        steps = getattr(subject, "__dict__", {}).get(attribute)
        if isinstance(steps, list) and all(isinstance(step, tuple) and len(step) > 1 for step in steps):
            return steps
    return []


def counts(args: Arguments, kwargs: Named, result: Any) -> Counts:
    """Return the rows of `X`, and the columns of what has become of it."""
    data = args[1] if len(args) > 1 else kwargs.get("X", kwargs.get("raw_documents"))
    return rows(data), columns(result)


KIND: Final = CallKind(LIBRARY, name_of, step_name, counts)


def transforming(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what replaces a `transform` or `fit_transform`."""
    return observed(function, KIND, method=True)
