"""scikit-learn's Pipeline: where its transformers run on the way to a model, and in joblib's workers.

`Pipeline.predict` transforms and then asks the model. The transforming is the extraction, the model is not: so the extraction
begins with the first transformer, and ends when the pipeline's loop over them has.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries import sklearn_workers
from otel_fe.instrument.libraries.calls import innermost
from otel_fe.instrument.libraries.hooked import HookedMethods
from otel_fe.instrument.libraries.observed_function import observed
from otel_fe.instrument.libraries.sklearn_estimators import KIND
from otel_fe.instrument.libraries.subclasses import Subclasses

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from otel_fe.instrument.libraries.calls import LibraryCall
    from otel_fe.instrument.libraries.library import Replaced

TO_A_MODEL: Final = (
    "fit",
    "fit_predict",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "score",
)
"""Methods that transform, and then call the last step."""


def patches() -> list[Replaced]:
    """Return what to replace in scikit-learn's pipelines, now that they are imported."""
    pipeline = sys.modules["sklearn.pipeline"].Pipeline
    return [
        Subclasses((pipeline,), TO_A_MODEL, functools.partial(observed, kind=KIND, method=True, now=False)),
        HookedMethods(pipeline, ("_iter",), _iterating),
        *sklearn_workers.patches(),
    ]


def _iterating(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def replacement(self: Any, with_final: bool = True, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        found = original(self, with_final, *args, **kwargs)
        call = None if with_final else innermost.get()
        if call is None or call.subject is not self or call.now:
            return found
        return _to_the_end(found, call)

    return replacement


def _to_the_end(steps: Generator[Any, None, None], call: LibraryCall) -> Generator[Any, None, None]:
    """Pass on the steps; behind the last one comes the model."""
    yield from steps
    if call.started:  # not where the steps were only looked at
        call.end(None)
