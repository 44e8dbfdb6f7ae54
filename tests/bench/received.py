"""Checks that the receiver got all it must: a variant that loses telemetry is not cheap, it is broken."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from otel_fe import semconv
from tests.bench.variants import BASELINE_RATIO, attributes

SQL_EVERY = 5
LOOKUPS = {"lookups": 10}
"""Redis spans of an extraction, by load; one in all others."""

if TYPE_CHECKING:
    from tests.bench.variants import Variant

REDIS_SCOPE = "opentelemetry.instrumentation.redis"
SQL_SCOPE = "opentelemetry.instrumentation.sqlalchemy"
SQL_SPANS = 2
"""`connect` and `SELECT`."""
_DEVIATIONS = 6
"""Standard deviations that the baseline share may be off: exceeded by chance in one of 500 million runs."""
LOGFIRE_CODE = {"code.function", "code.filepath", "code.lineno"}
ON_SLOW_ONES = {
    *(
        f"feature_extraction.{name}"
        for name in ("slo.breached", "bottleneck", "bottleneck.time", "hotspot", "hotspot.time")
    ),
    semconv.MEMORY_PEAK,
    *semconv.TIME.values(),
}

_OF_THE_SAMPLER = {semconv.SAMPLING_POLICY}
"""Says why a trace was kept: stock keeps all."""


def check(variant: Variant, load: str, extractions: int, received: dict[str, Any]) -> list[str]:
    """Return what is wrong with what arrived from `extractions` extractions, one sentence each."""
    problems: list[str] = []
    children = sum(received["children"].values())
    roots = sum(received["roots"].values())
    if not variant.exports:
        return [f"{roots + children} spans arrived from a variant that exports none"] if roots + children else []
    sql = 0 if load == "tasks" else extractions // SQL_EVERY
    lookups = LOOKUPS.get(load, 1)
    if not variant.samples:
        expected = {REDIS_SCOPE: lookups * extractions, SQL_SCOPE: SQL_SPANS * sql}
        if roots != extractions:
            problems.append(f"{roots} extractions arrived, expected {extractions}")
        for scope, count in expected.items():
            got = received["children"].get(scope, 0)
            if got != count:
                problems.append(f"{got} spans of {scope} arrived, expected {count}")
    else:
        problems += _check_share(extractions, received["roots"])
        if received["children"].get(REDIS_SCOPE, 0) != lookups * roots:
            problems.append(f"{received['children'].get(REDIS_SCOPE, 0)} Redis spans under {roots} extractions")
    problems += _check_attributes(received["attributes"])
    if variant.launcher:
        everything = (1 + lookups) * extractions + SQL_SPANS * sql
        counted = {
            # A plain Redis pool never waits; each look-up of `tasks` asks a blocking one.
            "feature_extraction.pool.wait_time": extractions if load == "tasks" else sql,
            "feature_extraction.cache.lookups": lookups * extractions,
        }
        problems += _check_metrics(extractions, everything, roots + children, received["metrics"], counted)
    return problems


def _check_share(extractions: int, roots: dict[str, int]) -> list[str]:
    """Check the baseline share of the healthy traces; slow ones are kept anyway."""
    healthy = roots.get("healthy", 0)
    candidates = extractions - roots.get("slow", 0)
    expected = candidates * BASELINE_RATIO
    margin = _DEVIATIONS * math.sqrt(expected * (1 - BASELINE_RATIO))
    if abs(healthy - expected) > margin:
        return [f"{healthy} healthy traces of {candidates} arrived, expected {expected:.0f} ± {margin:.0f}"]
    return []


def _check_attributes(names: list[str]) -> list[str]:
    """Check that the extraction's span carries neither more nor less than the hand-written one."""
    ours = {name for name in names if not name.startswith("logfire.")} - ON_SLOW_ONES - LOGFIRE_CODE - _OF_THE_SAMPLER
    stock = set(attributes(0))
    return [f"attributes differ from the hand-written span's: {sorted(ours ^ stock)}"] if ours ^ stock else []


def _check_metrics(
    extractions: int, spans: int, arrived: int, totals: dict[str, float], counted: dict[str, int]
) -> list[str]:
    """Check that otel_fe's counts are exact, and that its pipeline accounts for every span."""
    pipeline = "otel_fe.pipeline.spans."
    sampled = totals.get(pipeline + "sampled", 0)
    expected = counted | {
        "feature_extraction.duration": extractions,
        "feature_extraction.cpu.time": extractions,
        "feature_extraction.memory.growth": extractions,
        pipeline + "received": spans,
        pipeline + "sampled": arrived,
        pipeline + "not_sampled": spans - sampled,
        pipeline + "dropped": 0,
        "otel_fe.faults": 0,
    }
    problems = [
        f"metric {name} is {totals.get(name, 0):.0f}, expected {count:.0f}"
        for name, count in expected.items()
        if totals.get(name, 0) != count
    ]
    events = totals.get("feature_extraction.slo.events", 0)
    if not events or events % extractions:
        problems.append(f"metric feature_extraction.slo.events is {events:.0f}, no multiple of {extractions}")
    return problems
