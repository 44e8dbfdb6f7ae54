"""Tasks that run at once, with one time limit for all."""

from __future__ import annotations

import threading

from otel_fe.resources.run_concurrently import run_concurrently


def test_results_and_errors_are_returned_by_name():
    released = threading.Event()
    returned, failed = run_concurrently({"one": lambda: 1, "none": lambda: 1 // 0, "late": released.wait}, 0.2)
    released.set()
    assert returned == {"one": 1}
    assert failed == {"none": "ZeroDivisionError", "late": "TimeoutError"}


def test_task_without_a_thread_fails_and_the_caller_continues(monkeypatch):
    start = threading.Thread.start

    def refuse_the_first(thread):
        if thread._args[0] == "refused":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_first)
    returned, failed = run_concurrently({"refused": lambda: 1, "started": lambda: 2}, 5.0)
    assert (returned, failed) == ({"started": 2}, {"refused": "RuntimeError"})
