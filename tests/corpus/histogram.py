"""Durations: units, edges, exponential buckets; end before start is no duration."""

from __future__ import annotations

from tests.corpus.case import LATER, Case
from tests.corpus.spans import span

_MS = "histogram: {explicit: {buckets: [10ms, 100ms, 1s]}}"
_S = "histogram: {unit: s, explicit: {buckets: [10ms, 100ms, 1s]}}"
_DELTA = "aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA\n"


def _lasting(*durations: float) -> list:
    return [[span(number, ms=ms) for number, ms in enumerate(durations, 1)]]


def _exponential(size: int | str = "", unit: str = "ms") -> str:
    sized = f"{{max_size: {size}}}" if size else "{}"
    return f"histogram: {{unit: {unit}, exponential: {sized}}}"


_EDGES = _lasting(9.999999, 10, 10.000001, 100, 1_000, 1_000.000001)
_WIDE = _lasting(0.000001, 0.5, 1, 3, 7, 250, 1_000, 60_000, 86_400_000)

CASES = [
    Case("default_edges", _lasting(0, 1.9, 2, 2.1, 10, 15_000, 15_000.1, 3_600_000), span_metrics=""),
    Case(
        "default_edges_in_seconds", _lasting(0, 1.9, 2, 2.1, 10, 15_000, 15_000.1), span_metrics="histogram: {unit: s}"
    ),
    Case("values_equal_to_an_edge", _EDGES, span_metrics=_MS),
    Case("values_equal_to_an_edge_in_seconds", _EDGES, span_metrics=_S),
    Case(
        "edges_of_fractions",
        _lasting(0.1, 0.25, 1.5, 1.6),
        span_metrics="histogram: {explicit: {buckets: [100us, 250us, 1.5ms]}}",
    ),
    Case(
        "edges_of_fractions_in_seconds",
        _lasting(0.1, 0.25, 1.5, 1.6),
        span_metrics="histogram: {unit: s, explicit: {buckets: [100us, 250us, 1.5ms]}}",
    ),
    Case(
        "edges_of_minutes_and_hours",
        _lasting(60_000, 5_400_000, 5_400_001),
        span_metrics="histogram: {unit: s, explicit: {buckets: [1m, 1h30m]}}",
    ),
    Case(
        "seven_tenths_of_a_second_in_floats",
        _lasting(700, 700.000001),
        span_metrics="histogram: {unit: s, explicit: {buckets: [700ms]}}",
    ),
    Case("one_edge", _lasting(1, 2), span_metrics="histogram: {explicit: {buckets: [1ms]}}"),
    Case("no_edges", _lasting(1, 2), span_metrics="histogram: {explicit: {buckets: []}}"),
    Case("explicit_without_edges_is_not_the_default", _lasting(1, 2), span_metrics="histogram: {explicit: {}}"),
    Case("no_duration", _lasting(0), span_metrics=_MS),
    Case("end_before_start", _lasting(-50, 20), span_metrics=_MS),
    Case("a_nanosecond", _lasting(0.000001), span_metrics=_MS),
    Case("a_nanosecond_in_seconds", _lasting(0.000001), span_metrics=_S),
    Case("a_sum_of_floats", _lasting(*[0.1] * 10), span_metrics=_MS),
    Case("a_sum_of_floats_in_seconds", _lasting(*[100] * 10), span_metrics=_S),
    Case("over_several_flushes", [*_lasting(5, 50), LATER, *_lasting(500)], span_metrics=_MS),
    Case("disabled", _lasting(5), span_metrics="histogram: {disable: true}"),
    Case(
        "disabled_though_edges_are_given",
        _lasting(5),
        span_metrics="histogram: {disable: true, explicit: {buckets: [1ms]}}",
    ),
    Case("exponential", _WIDE, span_metrics=_exponential()),
    Case("exponential_in_seconds", _WIDE, span_metrics=_exponential(unit="s")),
    Case("exponential_one_value", _lasting(5), span_metrics=_exponential()),
    Case("exponential_equal_values", _lasting(5, 5, 5), span_metrics=_exponential()),
    Case("exponential_powers_of_two", _lasting(1, 2, 4, 8, 16, 32), span_metrics=_exponential()),
    Case("exponential_powers_of_two_in_few_buckets", _lasting(1, 2, 4, 8, 16, 32), span_metrics=_exponential(4)),
    Case("exponential_two_buckets", _WIDE, span_metrics=_exponential(2)),
    Case("exponential_four_buckets", _WIDE, span_metrics=_exponential(4)),
    Case("exponential_ten_buckets", _WIDE, span_metrics=_exponential(10)),
    Case("exponential_falling_values", _lasting(*(1_000 / n for n in range(1, 30))), span_metrics=_exponential(8)),
    Case("exponential_rising_values", _lasting(*(n * n for n in range(1, 30))), span_metrics=_exponential(8)),
    Case(
        "exponential_from_both_sides",
        _lasting(*(10 * 2 ** ((n // 2 + 1) * (-1) ** n) for n in range(16))),
        span_metrics=_exponential(6),
    ),
    Case("exponential_zero", _lasting(0, 0, 5), span_metrics=_exponential(4)),
    Case("exponential_only_zero", _lasting(0), span_metrics=_exponential(4)),
    Case("exponential_end_before_start", _lasting(-5, 5), span_metrics=_exponential(4)),
    Case(
        "exponential_max_size_zero_is_the_default", _WIDE, span_metrics=_exponential(0).replace("{}", "{max_size: 0}")
    ),
    Case("exponential_max_size_one", _lasting(1, 1_000), span_metrics=_exponential(1)),
    Case("exponential_over_several_flushes", [*_lasting(5, 50), LATER, *_lasting(5_000)], span_metrics=_exponential(4)),
    Case("exponential_delta", [*_lasting(5, 50), LATER, *_lasting(5_000)], span_metrics=_DELTA + _exponential(4)),
    Case(
        "a_hundred_and_sixty_buckets_are_not_enough",
        _lasting(*(1.1**n for n in range(200))),
        span_metrics=_exponential(),
    ),
]
