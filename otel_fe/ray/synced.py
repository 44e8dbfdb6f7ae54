"""Metrics as applications hold them: objects or dictionaries, of one extraction or added up over many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from otel_fe.model.figures import Figures

_TOTAL: Final = "total_extractions"
"""Whoever has it has added up."""
_DURATION: Final = ("duration_ms", "latency_ms", "extraction_time_ms", "processing_time_ms")
_CACHE: Final = ("used_cache", "cache_hit")
_ERROR: Final = ("had_error", "error")
_CPU: Final = ("cpu_percent", "cpu_usage_percent")
_MEMORY: Final = ("memory_mb", "memory_usage_mb")
_OTHER: Final = "_OTHER"


def entries(metrics: object) -> dict[str, Any]:
    """Return the fields of an object, or the entries of a dictionary, by name."""
    if isinstance(metrics, Mapping):
        mapping: Mapping[Any, Any] = metrics
        return {str(name): value for name, value in mapping.items()}
    if is_dataclass(metrics):
        return {field.name: getattr(metrics, field.name) for field in fields(metrics)}
    return {name: value for name, value in getattr(metrics, "__dict__", {}).items() if not name.startswith("_")}


def is_many(metrics: object) -> bool:
    """Whether the value holds several metrics rather than being one."""
    return isinstance(metrics, Iterable) and not isinstance(metrics, (Mapping, str, bytes))


def added_up(found: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the numbers among metrics that were added up over many extractions; None of those of a single one."""
    if _TOTAL not in found:
        return None
    return {name: float(value) for name, value in found.items() if _number(value)}


def figures_of(found: Mapping[str, Any]) -> Figures:
    """Return the figures of one extraction.

    Raises:
        TypeError: There is no duration among the metrics.
        ValueError: A figure is negative or not finite.
    """
    duration = _first(found, _DURATION)
    if duration is None:
        raise TypeError(
            f"no metrics of an extraction: found {', '.join(found) or 'nothing'}; "
            f"one of {', '.join(_DURATION)} is needed, or {_TOTAL} where they are sums"
        )
    figures = Figures()
    figures.feature_set = str(found.get("feature_set") or "")
    figures.duration_ns = round(_checked("duration", duration) * 1e6)
    error = _first(found, _ERROR)
    figures.error_type = str(found.get("error_type") or (_OTHER if error else ""))
    hit = _first(found, _CACHE)
    if hit is not None:
        figures.cache_lookups, figures.cache_hits = 1, int(bool(hit))
    cpu, memory = _first(found, _CPU), _first(found, _MEMORY)
    if cpu is not None:
        figures.cpu_ns = round(figures.duration_ns * _checked("cpu", cpu) / 100)
    if memory is not None:
        figures.memory_growth_bytes = round(_checked("memory", memory) * 1e6)
    return figures


def _first(found: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _checked(name: str, value: Any) -> float:
    if not _number(value) or value < 0:
        raise ValueError(f"{name} is {value!r}; use a finite number of at least 0")
    return float(value)
