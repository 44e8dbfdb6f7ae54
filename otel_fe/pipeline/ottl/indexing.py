"""Index expressions: the keys in brackets after a path or a converter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.pipeline.ottl.values import OttlEvaluationError, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def index_attributes(attributes: Any, keys: Iterable[Any]) -> Any:
    """Return what is inside of attributes, nil where a map has no such key.

    Raises:
        OttlEvaluationError: A key is not of the type that is needed, or out of bounds, or nothing can be inside.
    """
    value = attributes
    for key in keys:
        kind = kind_of(value)
        if kind == "map":
            if kind_of(key) != "string":
                raise OttlEvaluationError(f"a map has no {kind_of(key)} keys")
            if key not in value:
                return None
            value = value[key]
        elif kind == "slice":
            value = _element(value, key)
        else:
            raise OttlEvaluationError(f"nothing is inside of a {kind}")
    return value


def index_result(result: Any, keys: Iterable[Any]) -> Any:
    """Return what is inside of a converter's result.

    Raises:
        OttlEvaluationError: A key or an index does not exist.
    """
    value = result
    for key in keys:
        kind = kind_of(value)
        if kind in {"map", "raw map"} and kind_of(key) == "string":
            if key not in value:
                raise OttlEvaluationError("a converter's map does not have the key")
            value = value[key]
        elif kind in {"slice", "raw list", "strings"}:
            value = _element(value, key)
        else:
            raise OttlEvaluationError(f"a {kind} cannot be indexed with a {kind_of(key)}")
    return value


def _element(values: Any, key: Any) -> Any:
    if kind_of(key) != "int":
        raise OttlEvaluationError(f"a list has no {kind_of(key)} index")
    if not 0 <= key < len(values):
        raise OttlEvaluationError("an index is out of bounds")
    return values[key]
