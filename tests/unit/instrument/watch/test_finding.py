"""Segments become parts that add up, hotspots and collapsed stacks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import semconv
from otel_fe.instrument.causes.garbage import PAUSES, Pause
from otel_fe.instrument.stack_lines import Line
from otel_fe.instrument.watch.finding import find
from otel_fe.instrument.watch.watched import Segment
from otel_fe.pipeline.attribution import CAUSES

MS = 1_000_000
SERVE = Line("/srv/shop/app.py", 12, "serve")
RESIZE = Line("/srv/shop/embedding.py", 88, "resize")
LIBRARY = Line("/usr/lib/python3/site-packages/numpy/core.py", 5, "dot")
HOG = Line("/srv/shop/report.py", 7, "crunch")
IMPORT = Line("<frozen importlib._bootstrap>", 1007, "_find_and_load")


def segment(start, end, cpu=0, wait="", stack=(RESIZE, SERVE), **fields):
    """Return a segment, its times in ms."""
    made = Segment(start * MS, end * MS, round(cpu * MS), wait, stack)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def milliseconds(found):
    """Return what is not zero, in ms."""
    return {cause: ns / MS for cause, ns in found.split.items() if ns}


def found(end, segments, measured=(), cpu=None):
    """Split an extraction that began at 0."""
    total = sum(one.cpu_ns for one in segments) if cpu is None else cpu * MS
    return find(0, end * MS, measured, total, segments, ident=1)


@pytest.fixture(autouse=True)
def no_pauses():
    """Begin without pauses of the collector, this process' own or a test's."""
    PAUSES._kept.clear()
    yield
    PAUSES._kept.clear()


def test_cpu_and_waiting_of_each_look_are_told_apart():
    """The thread's clock says how much it ran; what it waited in says the rest."""
    seen = found(125, [segment(0, 61, cpu=61), segment(61, 125, cpu=4, wait="sleep")])
    assert milliseconds(seen) == {"cpu": 65, "sleep": 60}
    assert seen.hotspot() == (seen.hotspot()[0], 65 * MS)
    assert seen.hotspot()[0].endswith("shop/embedding.py:88 resize")


def test_own_code_is_named_rather_than_the_library_that_it_calls():
    """The innermost line that is neither installed nor Python's; else the innermost of all."""
    assert found(100, [segment(0, 100, cpu=100, stack=(LIBRARY, RESIZE, SERVE))]).hotspot()[0].endswith(":88 resize")
    assert found(100, [segment(0, 100, cpu=100, stack=(LIBRARY,))]).hotspot()[0].endswith("core.py:5 dot")


def test_the_line_that_holds_the_interpreter_is_named():
    """The named line holds the interpreter; the line that waits for it could not be improved."""
    seen = found(100, [segment(0, 100, cpu=5, wait="gil", others_cpu_ns=95 * MS, blame=HOG)])
    assert milliseconds(seen) == {"cpu": 5, "gil": 95}
    assert seen.hotspot() == (seen.hotspot()[0], 95 * MS)
    assert seen.hotspot()[0].endswith("report.py:7 crunch")
    assert seen.folded()[0].startswith("gil;")
    assert "[held by]" in seen.folded()[0]


def test_nobody_held_the_interpreter_where_no_other_thread_ran():
    """A look takes it from the thread that it looks at: that is no contention."""
    assert milliseconds(found(100, [segment(0, 100, cpu=60, wait="gil")])) == {"cpu": 60, "unexplained": 40}


def test_time_without_a_core_is_the_quota_s_as_far_as_that_stopped_the_group_and_else_the_machine_s():
    """Throttling adds up over cores and threads: it never explains more than this thread's own wait."""
    seen = found(100, [segment(0, 100, cpu=10, core_wait_ns=70 * MS, throttled_ns=50 * MS, wait="sleep")])
    assert milliseconds(seen) == {"cpu": 10, "cpu_throttled": 50, "cpu_wait": 20, "sleep": 20}
    more = found(100, [segment(0, 100, cpu=10, core_wait_ns=70 * MS, throttled_ns=5_000 * MS, wait="sleep")])
    assert milliseconds(more) == {"cpu": 10, "cpu_throttled": 70, "sleep": 20}
    unknown = found(100, [segment(0, 100, cpu=10, throttled_ns=50 * MS)])
    assert milliseconds(unknown) == {"cpu": 10, "cpu_throttled": 50, "unexplained": 40}
    asleep = found(100, [segment(0, 100, cpu=10, throttled_ns=50 * MS, wait="sleep")])
    assert milliseconds(asleep) == {"cpu": 10, "sleep": 90}, "others were throttled while it slept"


def test_pauses_of_the_collector_are_taken_from_the_cpu_of_the_thread_that_paid():
    """A garbage collection is subtracted from the CPU time of its thread, and from the other threads' wait for the interpreter."""
    PAUSES._kept.append(Pause(10 * MS, 40 * MS, ident=1))
    PAUSES._kept.append(Pause(60 * MS, 75 * MS, ident=2))
    seen = found(100, [segment(0, 50, cpu=50), segment(50, 100, wait="gil", cpu=20, others_cpu_ns=30 * MS)])
    assert milliseconds(seen) == {"cpu": 40, "gc": 45, "gil": 15}


def test_a_pause_is_named_by_the_line_that_set_it_off_though_no_look_could_be_made():
    """A collection holds the interpreter: an extraction that collects again and again may end before it was looked at once."""
    PAUSES._kept.append(Pause(10 * MS, 40 * MS, ident=1, stack=(RESIZE, SERVE)))
    PAUSES._kept.append(Pause(50 * MS, 90 * MS, ident=1, stack=(HOG, SERVE)))
    seen = found(100, [segment(0, 100, cpu=100, stack=())])
    assert milliseconds(seen) == {"cpu": 30, "gc": 70}
    assert seen.hotspot()[0].endswith("report.py:7 crunch"), "of the longest pause"


def test_a_wait_for_a_core_that_a_look_found_unfinished_is_counted_by_the_next():
    """The wait is counted at its own place: the kernel adds it up only when the thread runs again."""
    segments = [
        segment(0, 50, cpu=10, throttled_ns=40 * MS),
        segment(50, 60, cpu=10, core_wait_ns=40 * MS, throttled_ns=40 * MS),
    ]
    assert milliseconds(found(60, segments)) == {"cpu": 20, "cpu_throttled": 40}
    segments = [segment(0, 50, cpu=10), segment(50, 60, cpu=10, core_wait_ns=40 * MS)]
    assert milliseconds(found(60, segments)) == {"cpu": 20, "cpu_wait": 40}


def test_a_wait_for_a_core_that_was_counted_too_early_is_put_into_the_next_look():
    """The watcher had no core either, between its clock and its counters; a segment that slept is left alone."""
    segments = [segment(0, 50, cpu=10, core_wait_ns=80 * MS), segment(50, 100, cpu=10)]
    assert milliseconds(found(100, segments)) == {"cpu": 20, "cpu_wait": 80}
    segments = [segment(0, 50, cpu=10, core_wait_ns=80 * MS), segment(50, 100, cpu=10, wait="sleep")]
    assert milliseconds(found(100, segments)) == {"cpu": 20, "cpu_wait": 40, "sleep": 40}


def test_who_holds_the_interpreter_without_a_core_explains_a_contended_thread_too():
    """A contended thread could have run while the holder of the interpreter waited for a core."""
    waiting = segment(0, 100, cpu=5, contended=True, others_cpu_ns=60 * MS, others_wait_ns=50 * MS, blame=HOG)
    assert milliseconds(found(100, [waiting])) == {"cpu": 5, "gil": 60, "cpu_wait": 35}


def test_cpu_time_of_a_long_look_lies_besides_the_calls_that_were_measured_in_it():
    """A call is mostly waiting; a watcher that comes late has one look for calls and computing together."""
    seen = found(100, [segment(0, 100, cpu=45)], measured=[("downstream", 10 * MS, 60 * MS)])
    assert milliseconds(seen) == {"cpu": 45, "downstream": 50, "unexplained": 5}
    seen = found(100, [segment(0, 100, cpu=45, core_wait_ns=15 * MS)], measured=[("downstream", 10 * MS, 60 * MS)])
    assert milliseconds(seen) == {"cpu": 45, "downstream": 40, "cpu_wait": 15}, "the reply had come by then"


def test_a_thread_that_wakes_up_while_another_computes_waits_for_the_interpreter():
    """The wait is seen at the beginning of the thread's next wait; a wait that two looks find unchanged is one."""
    seen = found(100, [segment(0, 100, cpu=5, wait="sleep", contended=True, others_cpu_ns=80 * MS, blame=HOG)])
    assert milliseconds(seen) == {"cpu": 5, "gil": 80, "sleep": 15}
    seen = found(100, [segment(0, 100, cpu=5, wait="sleep", contended=True, others_cpu_ns=80 * MS, looks=2)])
    assert milliseconds(seen) == {"cpu": 5, "sleep": 95}


def test_what_is_never_seen_waiting_but_reads_from_disk_waits_for_the_disk():
    """Page faults keep the interpreter, and short reads are over before a look."""
    assert milliseconds(found(100, [segment(0, 100, cpu=60, faults=9, blocks=99)])) == {"cpu": 60, "page_faults": 40}
    assert milliseconds(found(100, [segment(0, 100, cpu=60, blocks=99)])) == {"cpu": 60, "disk": 40}


def test_an_import_is_named_by_the_line_that_imports():
    """Whatever the imported module does, CPU or waiting."""
    stack = (Line("/srv/shop/heavy.py", 3, "<module>"), IMPORT, IMPORT, RESIZE, SERVE)
    seen = found(100, [segment(0, 100, cpu=50, wait="disk", stack=stack)])
    assert milliseconds(seen) == {"import": 100}
    assert seen.hotspot()[0].endswith("embedding.py:88 resize")


def test_a_thread_that_is_seen_between_two_waits_waits_for_what_it_was_seen_waiting_for():
    """Many short calls: one look in three meets it running."""
    segments = [segment(at, at + 10, cpu=2, wait="" if at == 20 else "seen_call") for at in range(0, 50, 10)]
    assert milliseconds(found(50, segments)) == {"cpu": 10, "downstream": 40}


def test_what_was_measured_from_beginning_to_end_wins_over_what_was_seen():
    """The line is still that of the stack at the time."""
    seen = found(100, [segment(0, 100, cpu=1, wait="lock")], measured=[("pool_wait", 20 * MS, 95 * MS)])
    assert milliseconds(seen) == {"cpu": 1, "lock": 24, "pool_wait": 75}
    assert seen.hotspot()[0].endswith(":88 resize")


def test_without_looks_it_is_as_before():
    """CPU time explains what nothing else does."""
    seen = found(100, [], measured=[("pool_wait", 0, 10 * MS)], cpu=30)
    assert milliseconds(seen) == {"pool_wait": 10, "cpu": 30, "unexplained": 60}
    assert seen.hotspot() is None
    assert seen.attributes() == {semconv.STACKS_FOLDED: [], semconv.STACKS_TOP: [], semconv.STACKS_SAMPLES: 0}


def test_collapsed_stacks_are_bounded_and_add_up():
    """The largest stacks come first, and one line sums up the rest."""
    segments = [segment(at, at + 1, cpu=1, stack=(Line("/srv/app.py", at, "f" * 400), SERVE)) for at in range(200)]
    seen = found(200, segments)
    folded = seen.folded()
    assert len(folded) <= 33
    assert sum(map(len, folded)) < 20_000
    assert sum(int(line.rpartition(" ")[2]) for line in folded) == 200_000
    assert folded[-1].startswith("(others) ")
    assert len(seen.top()) == 8


_CAUSES = st.sampled_from(["", "gil", "sleep", "lock", "held", "event_loop", "seen_call", "page_faults"])
_TIMES = st.integers(0, 50)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40), _CAUSES, _TIMES, _TIMES, _TIMES), max_size=6),
    st.lists(st.tuples(st.sampled_from(["pool_wait", "cache_miss", "downstream"]), _TIMES, _TIMES), max_size=3),
    st.lists(st.tuples(_TIMES, _TIMES, st.integers(1, 2)), max_size=3),
    st.integers(-1, 200),
    st.integers(0, 20),
)
def test_the_parts_add_up_whatever_was_seen(looks, measured, pauses, cpu_ns, after):
    """Stacks never hold more than the duration, and each cause's stacks no more than the cause."""
    at = 0
    segments = []
    for length, cpu, wait, core, throttled, others in looks:
        segments.append(Segment(at, at + length, min(cpu, length), "lock" if wait == "held" else wait, (RESIZE,)))
        segments[-1].core_wait_ns, segments[-1].throttled_ns, segments[-1].others_cpu_ns = core, throttled, others
        at += length
    PAUSES._kept.clear()
    PAUSES._kept.extend(Pause(start, start + length, ident) for start, length, ident in sorted(pauses))
    seen = find(0, at + after, measured, cpu_ns, segments, ident=1)
    assert sum(seen.split.values()) == at + after
    assert min(seen.split.values()) >= 0
    assert set(seen.split) == set(CAUSES)
    for cause in CAUSES:
        if cause not in {"cpu", "unexplained"}:
            assert sum(ns for (its, *_), ns in seen.places.items() if its == cause) <= seen.split[cause]
