"""Formats attributes for pages: shortened, with possible secrets redacted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting, semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LONGEST: Final = 300
_UNITS: Final = {one.name: one.unit for one in semconv.ATTRIBUTES}
_WRITE: Final[dict[str, Callable[[float], str]]] = {
    "By": formatting.size,
    "s": lambda value: formatting.duration(value * 1e9),
}
_NUMBERS: Final = ("int_value", "double_value")
_SECRET: Final = re.compile(
    r"authorization|cookie|passw|secret|token|api[-_.]?key|credential|private[-_.]?key"
    r"|^http\.(request|response)\.header\.|^db\.(query|operation)\.parameter",
    re.IGNORECASE,
)
_HIDDEN: Final = "(not shown)"


def is_secret(name: str) -> bool:
    """Return whether an attribute's name speaks of secrets."""
    return _SECRET.search(name) is not None


def shown_attributes(pairs: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    """Return OTLP attributes as texts, by name. Those whose name speaks of secrets keep their value to themselves."""
    return tuple(sorted((pair.key, _HIDDEN if is_secret(pair.key) else _with_unit(pair)) for pair in pairs))


def shown(value: Any) -> str:
    """Return an OTLP value as a text of bounded length."""
    text = _text(value, 0)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _with_unit(pair: Any) -> str:
    """Return a value of ours with its unit: 77.5 MB, and not 77533184."""
    kind = pair.value.WhichOneof("value")
    write = _WRITE.get(_UNITS.get(pair.key, ""))
    return shown(pair.value) if write is None or kind not in _NUMBERS else write(getattr(pair.value, kind))


def _text(value: Any, depth: int) -> str:  # noqa: PLR0911 a kind of value, a return
    kind = value.WhichOneof("value")
    if kind is None or depth > 4:  # noqa: PLR2004 deeper values are not readable on a page
        return ""
    if kind == "string_value":
        return str(value.string_value)
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "array_value":
        return ", ".join(_text(one, depth + 1) for one in value.array_value.values)
    if kind == "kvlist_value":
        return ", ".join(f"{one.key}={_text(one.value, depth + 1)}" for one in value.kvlist_value.values)
    if kind == "bytes_value":
        return f"{len(value.bytes_value)} bytes"
    return f"{getattr(value, kind):.6g}" if kind == "double_value" else str(getattr(value, kind))
