"""Numbers with their units, the same beside an axis and in a column."""

from __future__ import annotations

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_fe import formatting, semconv
from otel_fe.dashboard.charts import LEFT, line_chart
from otel_fe.dashboard.shown_value import shown_attributes
from otel_fe.units import MIB


@pytest.mark.parametrize(
    ("value_ns", "column", "axis"),
    [
        (26e9, "26 s", "26 s"),
        (1e9, "1 s", "1 s"),
        (999e6, "999 ms", "999 ms"),
        (84e3, "0.084 ms", "84 µs"),
        (0, "0 ms", "0 ms"),
    ],
)
def test_a_column_is_in_the_unit_of_its_axis(value_ns, column, axis):
    """Column and axis are in seconds from one second on, and zero is 0 ms."""
    assert (formatting.milliseconds(value_ns), formatting.duration(value_ns)) == (column, axis)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2.5, "2.5 s"),
        (32, "32 s"),
        (60, "1 min"),
        (119, "119 s"),
        (120, "2 min"),
        (3_564, "59 min"),
        (3_600, "1 h"),
        (18_720, "5 h 12 min"),
        (187_200, "2 d 4 h"),
        (259_200, "3 d"),
        (None, "–"),  # noqa: RUF001 a dash is what is shown
    ],
)
def test_elapsed_time_has_its_two_largest_units(seconds, words):
    """Elapsed time follows one rule on pages and in alerts."""
    assert formatting.elapsed(seconds) == words


def test_attributes_of_ours_have_their_unit():
    """77.5 MB and not 77533184; what is not ours, or no number, stays as it is."""
    pairs = [
        KeyValue(key=semconv.MEMORY_USAGE, value=AnyValue(int_value=77_533_184)),
        KeyValue(key=semconv.POOL_WAIT_TIME, value=AnyValue(double_value=0.0135)),
        KeyValue(key=semconv.CACHE_LOOKUPS, value=AnyValue(int_value=3)),
        KeyValue(key="http.response.size", value=AnyValue(int_value=77_533_184)),
    ]
    assert dict(shown_attributes(pairs)) == {
        semconv.MEMORY_USAGE: "77.5 MB",
        semconv.POOL_WAIT_TIME: "13.5 ms",
        semconv.CACHE_LOOKUPS: "3",
        "http.response.size": "77533184",
    }


def test_no_label_of_an_axis_is_cut_off():
    """Labels of time stay within the plot, and labels of values fit beside it."""
    window = (0, 3_600 * 10**9)
    drawn = line_chart([(1, 1.0)], window, formatting.duration, step_ns=60 * 10**9, width=560)
    assert all(LEFT <= tick.at <= 560 - 22 for tick in drawn.x_ticks)


@pytest.mark.parametrize(
    ("value_bytes", "decimal", "binary"),
    [
        (999, "999 B", "0.0009527 MiB"),
        (400 * MIB, "419 MB", "400 MiB"),
        (2_000_000_000, "2 GB", "1907 MiB"),
    ],
)
def test_sizes_are_decimal_and_in_mib_only_beside_a_setting_in_mib(value_bytes, decimal, binary):
    assert (formatting.size(value_bytes), formatting.mebibytes(value_bytes)) == (decimal, binary)
