"""Every case of the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus import (
    boolean_attribute,
    calls,
    combined,
    composite,
    event_metrics,
    histogram,
    latency,
    limiting,
    numeric_attribute,
    ottl_condition,
    plain,
    probabilistic,
    series,
    settings,
    shape,
    string_attribute,
    thresholds,
    trace_state,
    weight,
)
from tests.corpus.case import grouped

if TYPE_CHECKING:
    from tests.corpus.case import Case

_MODULES = (
    shape,
    latency,
    numeric_attribute,
    string_attribute,
    boolean_attribute,
    plain,
    trace_state,
    probabilistic,
    combined,
    composite,
    limiting,
    ottl_condition,
    settings,
    thresholds,
    calls,
    histogram,
    series,
    weight,
    event_metrics,
)
CASES: list[Case] = [case for module in _MODULES for case in grouped(module.__name__.rsplit(".", 1)[-1], module.CASES)]
