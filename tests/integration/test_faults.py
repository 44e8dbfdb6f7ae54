"""A fault in any hook of ours: the application sees what it sees without us, and the fault is counted.

Which hooks there are is collected from the source in tests/contract/test_faults.py: none can be forgotten.
"""

from __future__ import annotations

import contextvars
import logging
import time

import pytest
from opentelemetry import context as otel_context

import otel_fe
from otel_fe import faults
from otel_fe.instrument import background
from tests.integration.faulty import INJECTIONS, Application
from tests.integration.faulty.call_sites import files_of, never_reached, reached
from tests.observed import Observed, instrumented


def lived(work, application):
    """Run the application's part, in a context of its own; return what it saw, and whether it left that as it was."""

    def live():
        before = otel_context.get_current()
        return work(application), otel_context.get_current() == before

    return contextvars.copy_context().run(live)


IN_OTHER_PROCESSES = ("flush.provider", "termination.flush", "termination.child")
"""Hooks of a process's end, whose injections count in the process that ends."""


@pytest.fixture(scope="module")
def injections_run():
    """Return a list of the injections that have run; where all of them have, each call of `faults.record` was reached."""
    run = []
    with reached() as found:
        yield run
    if len(run) == len(INJECTIONS):
        assert never_reached(files_of(one.module for one in INJECTIONS), found, IN_OTHER_PROCESSES) == []


@pytest.mark.parametrize(
    "injection",
    [pytest.param(one, id=str(one)) for one in INJECTIONS],
)
def test_a_fault_disturbs_nothing_and_is_counted(injection, request, tmp_path, monkeypatch, caplog, injections_run):
    """Results and exceptions are those of the application without us; the first fault of a hook is logged, all are counted."""
    parts = {name: request.getfixturevalue(name) for name in injection.needs}
    for folder in ("without", "with"):
        (tmp_path / folder).mkdir()
    alone = Observed()
    expected = lived(injection.work, Application(alone, parts, tmp_path / "without"))
    alone.close()

    monkeypatch.setattr(background, "PERIOD_S", 0.01)
    faults.reset()
    # The end as well runs with the fault in place: whatever it is, otel_fe can be switched off.
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, logger="otel_fe"):
        application = Application(None, parts, tmp_path / "with", injection, patch)
        if injection.when == "before":
            application.arm()
        with instrumented(**injection.settings) as application.captured:
            if injection.when == "instrumented":
                application.arm()
            seen = lived(injection.work, application)
        # A thread of ours may have failed, and not have said so yet.
        deadline = time.monotonic() + 5
        while not (logged := _logged(caplog, injection.hook)) and time.monotonic() < deadline:
            time.sleep(0.005)
    counts = faults.counts()
    faults.reset()
    assert seen == expected
    assert counts.get(injection.hook, 0) > 0
    assert set(injection.breaks) <= set(application.injected)
    assert logged == 1
    injections_run.append(injection)


def _logged(caplog, hook):
    """Return how many warnings say that a hook failed."""
    return sum(f"otel_fe: {hook} failed" in record.getMessage() for record in caplog.records)


def test_a_trace_that_cannot_be_exported_is_lost_by_name_and_alone(monkeypatch):
    """The spans of a failed export are counted as dropped, the accounts still add up, and the next trace arrives."""
    from otel_fe.sdk import export

    faults.reset()
    stamped = export._stamped
    with instrumented() as observed:
        for number in range(3):
            with otel_fe.extraction(str(number)), otel_fe.extraction("inner"):
                pass
            with monkeypatch.context() as patch:
                if number == 1:
                    patch.setattr(export, "_stamped", lambda *_: 1 / 0)
                assert observed.traces.force_flush()
        assert [span.name.split()[1] for span in observed.extractions()] == ["inner", "0", "inner", "2"]
        assert observed.total("otel_fe.pipeline.spans.dropped", reason="export_failed") == 2
        assert observed.total("otel_fe.pipeline.spans.received") == 6
        assert observed.total("otel_fe.pipeline.spans.sampled") == 4
        assert observed.total("otel_fe.pipeline.spans.queued") == 0
        assert observed.total("otel_fe.faults", hook="pipeline.keep") == 1
        assert observed.total("feature_extraction.duration") == 6
    assert export._stamped is stamped
    faults.reset()


def test_faults_are_a_metric():
    """Each hook's count leaves with the other metrics."""
    faults.reset()
    with instrumented() as observed:
        for _ in range(3):
            faults.record("redis.lookup", ValueError())
        faults.record("redis.pool", ValueError())
        assert observed.total("otel_fe.faults", hook="redis.lookup") == 3
        assert observed.total("otel_fe.faults") == 4
    faults.reset()
