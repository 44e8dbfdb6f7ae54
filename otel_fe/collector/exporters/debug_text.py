"""A request as text, for the exporter `debug`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.wire.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator

_INDENT: Final = "    "


def decode(signal: str, data: bytes) -> Any:
    """Return the `Export…ServiceRequest` in some bytes.

    Raises:
        ValueError: The bytes hold no such request.
    """
    try:
        return SIGNALS[signal].request.FromString(data)
    except Exception as error:  # protobuf's error class depends on its implementation
        raise ValueError(f"not a request for {signal}: {error}") from error


def names(signal: str, request: Any) -> str:
    """Return a line for each resource, scope and item: its name, its ids, and the names of its attributes."""
    resources, scopes, items = SIGNALS[signal].levels
    lines: list[str] = []
    for number, resource in enumerate(getattr(request, resources)):
        lines.append(f"{resources} #{number}{_keys(resource.resource)}")
        for position, scope in enumerate(getattr(resource, scopes)):
            lines.append(f"{scopes} #{position} {scope.scope.name}@{scope.scope.version}{_keys(scope.scope)}")
            lines.extend(_item(item) for item in getattr(scope, items))
    return "\n".join(lines)


def _item(item: Any) -> str:
    # A log record has no name: its body is a value, and is not shown.
    ids = [getattr(item, field).hex() for field in ("trace_id", "span_id", "profile_id") if getattr(item, field, b"")]
    if hasattr(item, "samples"):
        return " ".join(["profile", *ids, f"samples={len(item.samples)}"])
    name = getattr(item, "name", "") or getattr(item, "event_name", "") or "log record"
    return " ".join([name, *ids]) + _keys(item)


def _keys(message: Any) -> str:
    keys = [attribute.key for attribute in getattr(message, "attributes", ())]
    return f" ({', '.join(keys)})" if keys else ""


def detailed(signal: str, request: Any) -> str:
    """Return all that is in a request, with values: the fields of OTLP, by their names."""
    resources = SIGNALS[signal].levels[0]
    lines: list[str] = []
    for number, resource in enumerate(getattr(request, resources)):
        lines.append(f"{resources} #{number}")
        lines.extend(_fields(resource, ""))
    return "\n".join(lines)


def _fields(message: Any, indent: str) -> Iterator[str]:
    for field, content in message.ListFields():
        repeated = hasattr(content, "__len__") and not isinstance(content, (str, bytes))
        values: Any = content if repeated else [content]
        for value in values:
            if field.type != field.TYPE_MESSAGE:
                yield f"{indent}{field.name}: {_scalar(field, value)}"
            elif value.DESCRIPTOR.name == "KeyValue":
                yield f"{indent}{field.name}: {value.key} = {_any_value(value.value)}"
            elif value.DESCRIPTOR.name == "AnyValue":
                yield f"{indent}{field.name}: {_any_value(value)}"
            else:
                yield f"{indent}{field.name}"
                yield from _fields(value, indent + _INDENT)


def _scalar(field: Any, value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    named = field.enum_type.values_by_number.get(value) if field.enum_type is not None else None
    return named.name if named is not None else str(value)


def _any_value(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind is None:
        return "(empty)"
    content = getattr(value, kind)
    if kind == "array_value":
        return f"[{', '.join(_any_value(one) for one in content.values)}]"
    if kind == "kvlist_value":
        return f"{{{', '.join(f'{one.key} = {_any_value(one.value)}' for one in content.values)}}}"
    return content.hex() if kind == "bytes_value" else str(content)
