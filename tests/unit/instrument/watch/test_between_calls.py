"""The causes observed in the gaps between calls."""

from __future__ import annotations

from otel_fe import semconv
from otel_fe.instrument.watch.finding import find
from tests.unit.instrument.watch.test_finding import HOG, MS, RESIZE, SERVE, found, segment


def told(seen):
    """Return offset, length, cause and duration in ms, and whose line it is."""
    lines = [line.split(" ") for line in seen.attributes().get(semconv.STACKS_BETWEEN_CALLS, [])]
    return [
        (int(at) // 1000, int(long) // 1000, cause, int(us) // 1000, name[-1]) for at, long, cause, us, *name in lines
    ]


def test_each_gap_has_the_causes_and_lines_that_were_seen_in_it():
    calls = [("downstream", 40 * MS, 60 * MS)]
    seen = found(
        125,
        [segment(0, 30, cpu=30), segment(30, 60, wait="lock"), segment(60, 125, cpu=5, wait="sleep", stack=(SERVE,))],
        calls,
    )
    assert told(seen) == [
        (0, 40, "cpu", 30, "resize"), (0, 40, "lock", 10, "resize"),
        (60, 65, "sleep", 60, "serve"), (60, 65, "cpu", 5, "serve"),
    ]  # fmt: skip


def test_a_wait_for_a_pool_is_in_a_gap_and_a_look_up_is_not():
    """Spans show look-ups, and no waits."""
    measured = [("pool_wait", 10 * MS, 50 * MS), ("cache_miss", 60 * MS, 80 * MS)]
    seen = found(100, [segment(0, 100, wait="lock")], measured, cpu=0)
    assert told(seen) == [
        (0, 60, "pool_wait", 40, "resize"), (0, 60, "lock", 20, "resize"), (80, 20, "lock", 20, "resize"),
    ]  # fmt: skip


def test_the_line_that_held_the_interpreter_is_named():
    seen = found(50, [segment(0, 50, cpu=0, wait="gil", others_cpu_ns=50 * MS, blame=HOG)], [("downstream", 0, MS)])
    assert told(seen) == [(1, 49, "gil", 49, "crunch")]


def test_gaps_and_what_is_in_them_are_bounded():
    calls = [("downstream", (n * 10 + 9) * MS, (n * 10 + 10) * MS) for n in range(500)]
    segments = [segment(n * 10, n * 10 + 10, cpu=5, wait="lock", stack=(RESIZE, SERVE)) for n in range(500)]
    lines = found(5_000, segments, calls).attributes()[semconv.STACKS_BETWEEN_CALLS]
    assert len({line.split(" ", 1)[0] for line in lines}) == 12
    assert len(lines) <= 48


def test_an_extraction_that_nobody_looked_at_says_nothing():
    assert semconv.STACKS_BETWEEN_CALLS not in find(0, 50 * MS, [], 0, [], 1).attributes()
