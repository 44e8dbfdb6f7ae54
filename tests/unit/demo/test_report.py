"""The arithmetic of the demo's report."""

from __future__ import annotations

import pytest

from otel_fe.cli import main
from otel_fe.demo.narrator import Narrator
from otel_fe.demo.received import LastPoint, ReceivedSpan, ReceivedTelemetry
from otel_fe.demo.report import report_of, split_of
from otel_fe.demo.text import Text


def span(span_id, parent, start, end, kind=1, **attributes):
    """Make a span of one trace; times in ns."""
    named = {f"feature_extraction.{name}": value for name, value in attributes.items()}
    return ReceivedSpan("t", span_id, parent, "feature_extraction x", kind, start, end, named, False, "")


def test_the_split_adds_up_to_the_duration():
    """Calls of other services, the wait inside one of them, CPU, and the rest."""
    trace = [
        span(
            "a",
            "",
            0,
            100_000_000,
            **{"cpu.time": 0.02, "pool.wait_time": 0.03, "cache.hit": False, "cache.time": 0.001},
        ),
        span("b", "a", 1_000_000, 41_000_000, kind=3),
        span("c", "b", 2_000_000, 50_000_000, kind=3),
    ]
    split = split_of(trace[0], trace)
    assert sum(split.values()) == 100_000_000
    assert split["pool_wait"] == 30_000_000
    assert split["cache_miss"] == 1_000_000
    assert split["downstream"] == 19_000_000
    assert split["cpu"] == 20_000_000


def slow(span_id, cause, ms, line="", *, feature_set="image", **times):
    named = {"bottleneck": cause, "bottleneck.time": ms / 1e3, "feature_set": feature_set}
    named |= {f"time.{name}": spent / 1e3 for name, spent in times.items()}
    if line:
        named |= {"hotspot": line, "hotspot.time": ms / 1e3}
    return span(span_id, "", 0, sum(times.values()) * 1_000_000, **named)


def test_a_slow_extraction_s_own_split_is_taken_as_it_is():
    one = slow("a", "gil", 80, gil=80, cpu=40)
    assert split_of(one, [one]) == {"gil": 80_000_000, "cpu": 40_000_000}


def test_each_slow_feature_set_has_its_cause_and_line():
    received = ReceivedTelemetry()
    received.spans += [
        slow("a", "cpu", 90, "shop/embedding.py:88 resize", cpu=90, lock=30),
        slow("b", "cpu", 110, "shop/embedding.py:88 resize", cpu=110, lock=10),
        slow("c", "lock", 500, "shop/cache.py:5 get", lock=500, cpu=10, feature_set="text"),
        span("d", "", 0, 5, feature_set="fast"),
    ]
    found = report_of(received).slow_feature_sets
    assert [(one.feature_set, one.slow, one.cause, one.line) for one in found] == [
        ("text", 1, "lock", "shop/cache.py:5 get"),
        ("image", 2, "cpu", "shop/embedding.py:88 resize"),
    ]
    assert (found[1].mean_ms, round(found[1].cause_ms), round(found[1].share, 3)) == (120.0, 100, 0.833)
    text = Text(colour=False).render(report_of(received))
    assert "  image: 83 % of slow time computing on the CPU (shop/embedding.py:88 resize)\n" in text
    assert "    2 slow extractions, 120 ms in the mean; cpu costs 100 ms of that" in text


def test_misses_have_the_line_of_what_they_make_an_extraction_do():
    """The look-up takes a millisecond; the ranking puts the miss first, and the line is that of the work."""
    received = ReceivedTelemetry()
    received.spans += [
        slow("a", "cpu", 150, "shop/embedding.py:88 resize", cpu=150, cache_miss=1, unexplained=1),
        span("b", "", 0, 2, feature_set="image", **{"cache.hit": True}),
    ]
    received.spans[0].attributes["feature_extraction.cache.hit"] = False
    (found,) = report_of(received).slow_feature_sets
    assert (found.cause, found.line) == ("cache_miss", "shop/embedding.py:88 resize")
    assert found.sentence.endswith("because of cache misses, 99 % computing on the CPU (shop/embedding.py:88 resize)")


def test_narrator_says_steps_and_now_and_then_how_far_they_are(capsys):
    """Without a terminal, progress is printed every ten seconds; with --quiet, never."""
    now = [0.0]
    for quiet in (False, True):
        narrator = Narrator(quiet=quiet, now_s=lambda: now[0])
        now[0] = 0.0
        narrator.say("a step")
        for now[0] in (1.0, 9.0, 10.0, 11.0):
            narrator.progress(f"{now[0]:g} s")
    assert capsys.readouterr().err == "otel-fe demo: a step\notel-fe demo: 10 s\n"


def test_a_report_on_nothing_can_be_read():
    """A report without data can be written, and every requirement is undecided."""
    report = report_of(ReceivedTelemetry())
    assert all(requirement.met is None for requirement in report.requirements)
    assert "no data" in Text(colour=False).render(report)


def test_hostile_names_do_not_break_the_report():
    """Span and feature set names are handled as plain text."""
    received = ReceivedTelemetry()
    received.spans.append(span("a", "", 0, 5))
    received.points["feature_extraction.duration"][("feature_extraction.feature_set", "\x1b[31m<b>"),] = LastPoint(
        1, 0.1, (0.1,), (1, 0), 0.05, 0.05
    )
    assert report_of(received).extractions == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "1e9", "soon"])
def test_an_impossible_duration_is_refused(seconds, capsys):
    """The CLI says what is wrong."""
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--seconds", seconds])
    assert caught.value.code == 2
    assert seconds in capsys.readouterr().err
