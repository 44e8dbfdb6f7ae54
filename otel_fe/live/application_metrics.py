"""Reads metrics that applications pass in: mappings, objects or numbers, of one extraction or summed by a monitor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from otel_fe.model.measurements import Measurements

SUMS: Final = "total_extractions"
"""The field of metrics that were added up over many extractions."""
_DURATION: Final = ("duration_ms", "latency_ms", "extraction_time_ms", "processing_time_ms")
_CACHE: Final = ("used_cache", "cache_hit")
_ERROR: Final = ("had_error", "error")
_CPU: Final = ("cpu_percent", "cpu_usage_percent")
_MEMORY: Final = ("memory_mb", "memory_usage_mb")
_FEATURE_SET: Final = "feature_set"
_ERROR_TYPE: Final = "error_type"
_KNOWN: Final = (*_DURATION, *_CACHE, *_ERROR, *_CPU, *_MEMORY, _FEATURE_SET, SUMS)
_OTHER: Final = "_OTHER"


def is_many(metrics: object) -> bool:
    """Return whether a value holds several metrics rather than being one."""
    return isinstance(metrics, Iterable) and not isinstance(metrics, (Mapping, str, bytes))


def entries(metrics: object) -> dict[str, Any]:
    """Return the fields of an object, or the entries of a mapping, by name.

    Raises:
        TypeError: The metrics have none of the known names.
    """
    if isinstance(metrics, Mapping):
        mapping: Mapping[Any, Any] = metrics
        found = {str(name): value for name, value in mapping.items()}
    elif is_dataclass(metrics) and not isinstance(metrics, type):
        found = {field.name: getattr(metrics, field.name) for field in fields(metrics)}
    else:
        found = {name: value for name, value in getattr(metrics, "__dict__", {}).items() if not name.startswith("_")}
        found |= {name: getattr(metrics, name) for name in (*_KNOWN, _ERROR_TYPE) if hasattr(metrics, name)}
    if not found.keys() & {*_KNOWN}:
        shown = f"of {type(metrics).__name__}" if not isinstance(metrics, Mapping) else ", ".join(found) or "nothing"
        raise TypeError(
            f"metrics: found {shown}; give a mapping or an object with {_DURATION[0]}, or a monitor's statistics"
        )
    return found


def figures_of(found: Mapping[str, Any]) -> Measurements:
    """Return the figures of one extraction.

    Args:
        found: `duration_ms`, and as far as known `used_cache`, `had_error`, `cpu_percent`, `memory_mb` and `feature_set`, or the
            other names above; None where unknown. Other entries are not looked at.

    Raises:
        ValueError: A figure is missing, negative, not finite or of the wrong kind; the message names it and its value.
    """
    figures = Measurements()
    figures.duration_ns = round(_number(found, _name(found, _DURATION), needed=True) * 1e6)
    used_cache = _flag(found, _name(found, _CACHE))
    if used_cache is not None:
        figures.cache_lookups, figures.cache_hits = 1, int(used_cache)
    error_type = _text(found, _ERROR_TYPE)
    figures.error_type = (error_type or _OTHER) if _flag(found, _name(found, _ERROR)) or error_type else ""
    cpu = _name(found, _CPU)
    if found.get(cpu) is not None:
        figures.cpu_ns = round(figures.duration_ns * _number(found, cpu) / 100)
    figures.memory_growth_bytes = round(_number(found, _name(found, _MEMORY)) * 1e6)
    figures.feature_set = _text(found, _FEATURE_SET)
    return figures


def numbers_of(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers among metrics, by name; flags are none."""
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }


@dataclass(frozen=True, slots=True)
class MonitorSums:
    """The sums of a monitor since it was made."""

    total: int
    errors: int
    hits: int
    lookups: int
    quantiles_ms: tuple[tuple[float, float], ...]
    """Shares and the durations that they do not exceed, ascending."""
    average_ms: float
    cpu_percent: float
    memory_mb: float


def sums_of(found: Mapping[str, Any]) -> MonitorSums:
    """Return the statistics of `FeatureExtractionPerformanceMonitor`, or what has its fields.

    Raises:
        ValueError: A figure is invalid, as in `figures_of`.
    """
    total = int(_number(found, SUMS, needed=True))
    hit_rate = _share(found, "cache_hit_rate")
    # A monitor that has seen no cache also reports a rate of 0.
    lookups = total if hit_rate else 0
    quantiles = [
        (share, _number(found, name))
        for share, name in (
            (0.5, "p50_latency_ms"),
            (0.95, "p95_latency_ms"),
            (0.99, "p99_latency_ms"),
            (1.0, "max_latency_ms"),
        )
        if found.get(name) is not None
    ]
    return MonitorSums(
        total,
        round(_share(found, "error_rate") * total),
        round(hit_rate * lookups),
        lookups,
        tuple(quantiles),
        _number(found, "avg_latency_ms"),
        _number(found, "avg_cpu_percent"),
        _number(found, "max_memory_mb"),
    )


def _name(found: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of the names of a figure that has a value; the usual one where none has."""
    return next((name for name in names if found.get(name) is not None), names[0])


def _number(found: Mapping[str, Any], name: str, *, needed: bool = False) -> float:
    value = found.get(name)
    if value is None and not needed:
        return 0.0
    try:
        number = math.nan if isinstance(value, (bool, str, bytes)) or value is None else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} is {value!r}; use a finite number of at least 0")
    return number


def _share(found: Mapping[str, Any], name: str) -> float:
    value = _number(found, name)
    if value > 1:
        raise ValueError(f"{name} is {found[name]!r}; use a ratio from 0 to 1")
    return value


def _flag(found: Mapping[str, Any], name: str) -> bool | None:
    value = found.get(name)
    if value is None:
        return None
    if type(value).__name__ not in {"bool", "bool_", "int"} or value not in (0, 1):
        raise ValueError(f"{name} is {value!r}; use True or False, or None where it is not known")
    return bool(value)


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; use a string")
    return value or ""
