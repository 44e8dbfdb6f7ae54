"""Feast's look-ups in an online store. The child spans are those of the store: Redis or SQL, by their own instrumentations."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries.hooked import HookedMethods
from otel_fe.instrument.libraries.kind import CallKind
from otel_fe.instrument.libraries.library import About
from otel_fe.instrument.libraries.observed_function import observed
from otel_fe.instrument.libraries.shapes import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.instrument.libraries.kind import Arguments, Counts, Named

METHODS: Final = ("get_online_features", "get_online_features_async")

ABOUT: Final = About(
    library="feast",
    extraction="`FeatureStore.get_online_features` and `get_online_features_async`, named by feature service or feature views",
    children="those of the online store, by OpenTelemetry's instrumentation of Redis or SQLAlchemy",
    versions=("0.44.0", "0.67.0"),
)


def patches() -> list[HookedMethods]:
    """Return what to replace in Feast, now that it is imported."""
    store = sys.modules["feast.feature_store"].FeatureStore
    return [HookedMethods(store, METHODS, functools.partial(observed, kind=_KIND, method=True))]


def _argument(args: Arguments, kwargs: Named, position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs.get(name)


def _name(args: Arguments, kwargs: Named) -> str:
    """Return the requested feature service, or else the requested feature views."""
    features = _argument(args, kwargs, 1, "features")
    if isinstance(features, (list, tuple)):
        views = {str(feature).partition(":")[0] for feature in features}
        return cut(", ".join(sorted(views)))
    return str(getattr(features, "name", ""))


def _counts(args: Arguments, kwargs: Named, _result: Any) -> Counts:
    """Return the number of rows of entities, and of requested features."""
    return _entities(_argument(args, kwargs, 2, "entity_rows")), _features(_argument(args, kwargs, 1, "features"))


def _entities(entities: list[Any] | Mapping[str, Any] | None) -> int | None:
    if isinstance(entities, list):
        return len(entities)
    values: Any = next(iter(entities.values()), None) if isinstance(entities, dict) else None
    values = getattr(values, "val", values)  # a list, or Feast's own message of repeated values
    return None if values is None else len(values)


def _features(features: Any) -> int | None:
    if isinstance(features, (list, tuple)):
        return len(features)
    projections = getattr(features, "feature_view_projections", None)
    return None if projections is None else sum(len(projection.features) for projection in projections) or None


_KIND: Final = CallKind(ABOUT.library, _name, counts=_counts)
