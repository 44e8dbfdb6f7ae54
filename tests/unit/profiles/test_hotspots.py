"""The application's lines, by their share of the mean slow extraction."""

from __future__ import annotations

from otel_fe.profiles.hotspots import hotspots, line_by_cause
from otel_fe.profiles.stacks import Frame
from tests.unit.profiles.parts import RESIZE, slow


def test_times_are_means_by_weight_over_all_extractions():
    found = hotspots(
        [
            slow([], [f"cpu {RESIZE} 60000"], number=1),
            slow([], [f"cpu {RESIZE} 20000", f"gc {RESIZE} 4000"], number=2, weight=3.0),
            slow([], ["lock shop/cache.py:5 get 8000"], number=3, weight=4.0),
        ]
    )
    assert [(one.frame, one.cause) for one in found] == [
        (Frame("shop/embedding.py", 88, "resize"), "cpu"),
        (Frame("shop/cache.py", 5, "get"), "lock"),
    ]
    assert found[0].causes == (("cpu", 15_000_000.0), ("gc", 1_500_000.0))
    assert found[0].mean_ns == 16_500_000.0
    assert found[1].mean_ns == 4_000_000.0


def test_nothing_seen_is_no_line():
    assert hotspots([]) == ()
    assert hotspots([slow([])]) == ()


def test_each_cause_has_the_line_that_took_most_of_it():
    extractions = [
        slow([], [f"cpu {RESIZE} 60000", "lock a.py:1 f 9000"]),
        slow([], ["cpu b.py:2 g 10000"], weight=7.0),
    ]
    assert line_by_cause(extractions) == {"cpu": "b.py:2 g", "lock": "a.py:1 f"}
    assert line_by_cause([]) == {}
