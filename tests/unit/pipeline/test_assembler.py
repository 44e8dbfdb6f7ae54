"""The assembler: when a trace is decided, by what, and what is counted."""

from __future__ import annotations

import random

import pytest

from otel_fe.config.settings import Settings
from otel_fe.pipeline.engine import Engine
from otel_fe.testing import FakeClock


class EngineBench:
    """An engine, a clock, and the traces that it exported."""

    def __init__(self, lost: str = "", **settings) -> None:
        self.clock = FakeClock()
        self.exported = []
        self.lost = lost
        self.engine = Engine(Settings(**settings), self.clock, random.Random(1).randrange, self._export)
        self.assembler = self.engine.assembler

    def _export(self, trace, decision):
        if not self.lost:
            self.exported.append((trace.trace_id, list(trace.spans), decision))
        return self.lost

    def start(self, trace_id, parent=None, root=True):
        """Start a span."""
        return self.assembler.started(trace_id, parent, None, root=root)

    def end(self, trace, name, duration_ns=1, error=False, root=True, size=100):
        """End a span."""
        self.assembler.ended(trace, name, start_ns=0, end_ns=duration_ns, error=error, size=size, root=root)

    def balance(self):
        """Check that every span received is in exactly one place; return the counters."""
        counters = self.engine.counters
        _, pending = self.assembler.pending()
        placed = (
            counters.queued + sum(counters.sampled.values()) + counters.not_sampled + sum(counters.dropped.values())
        )
        assert counters.received == placed
        assert pending >= 0
        return counters


KEPT, DROPPED = 0xFF_FFFF_FFFF_FFFF, 1
"""Trace ids of the most and of nearly the least randomness."""


@pytest.mark.parametrize(
    ("trace_id", "duration_ns", "error", "reason"),
    [
        (DROPPED, 99_999_999, False, None),
        (DROPPED, 100_000_000, False, "slow"),
        (DROPPED, 1, True, "error"),
        (DROPPED, 200_000_000, True, "error"),
        (KEPT, 1, False, "baseline"),
    ],
)
def test_the_first_rule_that_matches_names_the_reason(trace_id, duration_ns, error, reason):
    """Errors, then slow ones (inclusive), then the share by id; the rest is not sampled."""
    bench = EngineBench()
    bench.end(bench.start(trace_id), "span", duration_ns, error)
    bench.engine.settle()
    assert [decision.reason for _, _, decision in bench.exported] == ([reason] if reason else [])
    assert bench.balance().received == 1


def test_remarkable_traces_are_decided_at_once_and_healthy_ones_in_company():
    """An error does not wait; a healthy trace waits for the next round."""
    bench = EngineBench()
    bench.end(bench.start(KEPT), "healthy")
    assert bench.exported == []
    bench.end(bench.start(KEPT - 1), "failed", error=True)
    assert len(bench.exported) == 1
    bench.engine.settle()
    assert len(bench.exported) == 2


def test_latency_is_of_the_whole_trace_in_any_order():
    """Earliest start to latest end."""
    bench = EngineBench()
    trace = bench.start(DROPPED)
    child = bench.start(DROPPED, trace, root=False)
    bench.assembler.ended(child, "late", start_ns=60_000_000, end_ns=120_000_000, error=False, size=1, root=False)
    bench.assembler.ended(trace, "root", start_ns=0, end_ns=50_000_000, error=False, size=1, root=True)
    assert bench.exported[0][2].reason == "slow"
    assert bench.exported[0][1] == ["late", "root"]


def test_a_trace_waits_for_open_children_but_not_for_ever():
    """After the root has ended, `decision_wait` bounds the wait; the child is late then and follows."""
    bench = EngineBench(decision_wait_s=1.0)
    trace = bench.start(DROPPED)
    child = bench.start(DROPPED, trace, root=False)
    bench.end(trace, "root", error=True)
    bench.assembler.decide_overdue()
    assert bench.exported == []
    bench.clock.advance(ns=1_000_000_000)
    bench.assembler.decide_overdue()
    assert bench.exported[0][1] == ["root"]
    bench.end(child, "child", root=False)
    assert bench.exported[1][1] == ["child"]
    counters = bench.balance()
    assert (counters.late, counters.evicted["decision_wait"], counters.received) == (1, 1, 2)


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_jump_of_the_wall_clock_changes_no_wait(jump_s):
    """The decision wait is as long as ever."""
    bench = EngineBench(decision_wait_s=1.0)
    trace = bench.start(KEPT)
    bench.start(KEPT, trace, root=False)
    bench.end(trace, "root", error=True)
    bench.clock.jump(jump_s)
    bench.clock.advance(ns=999_999_999)
    bench.assembler.decide_overdue()
    assert bench.exported == []
    bench.clock.advance(ns=1)
    bench.assembler.decide_overdue()
    assert bench.exported[0][1] == ["root"]


@pytest.mark.parametrize(
    ("duration_ns", "error", "reason"), [(1, False, None), (1, True, "error"), (100_000_000, False, "slow")]
)
def test_span_that_outlasts_the_wait_of_a_dropped_trace_is_decided_by_itself(duration_ns, error, reason):
    """A late span's error is what users look for, even if the other spans of its trace are gone."""
    bench = EngineBench(decision_wait_s=0.001)
    trace = bench.start(DROPPED)
    child = bench.start(DROPPED, trace, root=False)
    bench.end(trace, "root")
    bench.clock.advance(ns=10_000_000)
    bench.assembler.decide_overdue()
    bench.end(child, "child", duration_ns, error, root=False)
    assert [(spans, decision.reason) for _, spans, decision in bench.exported] == (
        [(["child"], reason)] if reason else []
    )
    assert (bench.balance().late, bench.engine.counters.not_sampled) == (1, 1 if reason else 2)


def test_background_task_that_starts_after_a_dropped_trace_is_decided_by_itself():
    """FastAPI's `BackgroundTasks` and `asyncio.create_task` make such a task: a child of a span that has ended."""
    bench = EngineBench()
    request = bench.start(DROPPED)
    bench.end(request, "request")
    bench.engine.settle()
    task = bench.start(DROPPED, request, root=False)
    assert task is not request
    inside = bench.start(DROPPED, task, root=False)
    bench.end(inside, "inside", error=True, root=False)
    assert bench.exported == []
    bench.end(task, "task")
    assert [(spans, decision.reason) for _, spans, decision in bench.exported] == [(["inside", "task"], "error")]
    assert bench.balance().late == 0
    assert bench.assembler.pending() == (0, 0)


def test_background_task_waits_for_its_own_children_but_not_for_ever():
    bench = EngineBench(decision_wait_s=1.0)
    request = bench.start(DROPPED)
    bench.end(request, "request")
    bench.engine.settle()
    task = bench.start(DROPPED, request, root=False)
    bench.start(DROPPED, task, root=False)
    bench.end(task, "task", error=True)
    bench.clock.advance(ns=1_000_000_000)
    bench.assembler.decide_overdue()
    assert [spans for _, spans, _ in bench.exported] == [["task"]]


def test_background_task_of_a_kept_trace_follows_it():
    bench = EngineBench()
    request = bench.start(DROPPED)
    bench.end(request, "request", error=True)
    task = bench.start(DROPPED, request, root=False)
    bench.end(task, "task", root=False)
    assert [(spans, decision.reason) for _, spans, decision in bench.exported] == [
        (["request"], "error"),
        (["task"], "error"),
    ]
    assert bench.balance().late == 1


def test_late_span_leaves_what_came_after_it_alone():
    """A span that outlasts the wait ends while a task that began after the decision is open: each is decided by itself."""
    bench = EngineBench(decision_wait_s=0.001)
    request = bench.start(DROPPED)
    streaming = bench.start(DROPPED, request, root=False)
    bench.end(request, "request")
    bench.clock.advance(ns=10_000_000)
    bench.assembler.decide_overdue()
    task = bench.start(DROPPED, request, root=False)
    bench.end(streaming, "streaming", root=False)
    assert bench.exported == []
    assert bench.start(DROPPED) is task
    bench.end(task, "task")
    bench.end(task, "next", error=True)
    assert [spans for _, spans, _ in bench.exported] == [["task", "next"]]


def test_a_later_root_of_a_dropped_trace_gets_its_own_chance():
    """The next request of the same caller's trace may fail, and must not be lost."""
    bench = EngineBench()
    bench.end(bench.start(DROPPED), "first")
    bench.engine.settle()
    bench.end(bench.start(DROPPED), "second", error=True)
    assert [spans for _, spans, _ in bench.exported] == [["second"]]


def test_a_later_root_of_a_kept_trace_follows_it():
    """Once part of a trace is kept, its later spans in this process are kept too."""
    bench = EngineBench()
    bench.end(bench.start(DROPPED), "first", error=True)
    bench.end(bench.start(DROPPED), "second")
    bench.engine.settle()
    assert [spans for _, spans, _ in bench.exported] == [["first"], ["second"]]


def test_concurrent_roots_of_one_trace_are_decided_together():
    """A root joins the trace while another of its roots is open."""
    bench = EngineBench()
    first, second = bench.start(DROPPED), bench.start(DROPPED)
    assert first is second
    bench.end(first, "first")
    bench.end(second, "second", error=True)
    assert bench.exported[0][1] == ["first", "second"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_open_traces": 3}, "open_traces"),
        ({"max_spans_per_trace": 5}, "span_limit"),
        ({"max_pending_bytes": 300_000}, "byte_limit"),
    ],
)
def test_every_bound_holds_and_is_counted(settings, reason):
    """Past a bound, traces are decided as they stand, and it is said which bound that was."""
    bench = EngineBench(**settings)
    for number in range(1, 11):
        trace = bench.start(number)
        for child in range(6):
            bench.end(bench.start(number, trace, root=False), child, root=False, size=20_000)
    # Bytes are looked at after every 256 KiB that one trace grows by, and once a second for all.
    bench.assembler.decide_overdue()
    open_traces, spans = bench.assembler.pending()
    assert bench.engine.counters.evicted[reason] > 0
    assert open_traces <= settings.get("max_open_traces", 99)
    assert spans * 20_000 <= settings.get("max_pending_bytes", 10**9)
    bench.balance()


def test_remembered_decisions_are_bounded():
    """The oldest are forgotten."""
    bench = EngineBench(max_remembered_decisions=10)
    for number in range(1, 101):
        bench.end(bench.start(number), "x", error=True)
    assert len(bench.assembler._kept) == 10


def test_a_trace_that_cannot_be_exported_is_dropped_by_name():
    """A trace that the exporter refuses is counted as dropped, with the exporter's reason."""
    bench = EngineBench(lost="queue_full")
    bench.end(bench.start(DROPPED), "x", error=True)
    assert bench.balance().dropped["queue_full"] == 1


def test_an_abandoned_trace_is_neither_counted_nor_exported():
    """A forked child discards the traces that its parent began, without counting them."""
    bench = EngineBench()
    trace = bench.start(DROPPED)
    bench.assembler.abandon()
    bench.end(trace, "x", error=True)
    assert bench.exported == []
    assert bench.balance().received == 0
