"""Policies as JSON values, and back: how a store keeps the policies that decided, for as long as it keeps their decisions.

The names of types and fields are part of the store's format: one that is renamed has to be read under its old name as well.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, get_args

from otel_fe.config import policies
from otel_fe.config.ottl import Condition, parse_condition

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPE: Final = "type"
_TYPES: Final[dict[str, type[Any]]] = {kind.type: kind for kind in get_args(policies.Policy)}


def values_of(policy: Any) -> dict[str, Any]:
    """Return a policy as JSON values, its type and its fields by name."""
    return {_TYPE: policy.type} | _fields(policy)


def policy_of(values: Mapping[str, Any]) -> Any:
    """Return the policy that `values_of` made values of.

    Raises:
        KeyError, TypeError, ValueError: This version has no such policy.
        OtelFeError: A condition cannot be read.
    """
    kind = _TYPES[values[_TYPE]]
    return kind(**{name: _read(value) for name, value in values.items() if name != _TYPE})


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: _written(getattr(value, field.name)) for field in fields(value)}


def _written(value: Any) -> Any:
    if isinstance(value, Condition):
        return {"condition": value.text, "context": value.context}
    if isinstance(value, policies.Allocation):
        return {"allocation": _fields(value)}
    if isinstance(value, frozenset):
        return {"any_of": sorted(value)}
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return values_of(value) if hasattr(value, _TYPE) else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_read, value))
    if not isinstance(value, dict):
        return value
    if "condition" in value:
        return parse_condition(value["condition"], value["context"])
    if "allocation" in value:
        return policies.Allocation(**{name: _read(item) for name, item in value["allocation"].items()})
    return frozenset(value["any_of"]) if "any_of" in value else policy_of(value)
