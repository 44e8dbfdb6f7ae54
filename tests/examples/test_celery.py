"""Celery over a real Redis: who sends a task, the task and its extraction are one trace."""

from __future__ import annotations

import subprocess

import pytest

from tests.examples.services import PRODUCER, launched, requests_with_extractions, service, settings
from tests.integration.conftest import ROOT
from tests.integration.servers import redis_server
from tests.otlp import receiving

pytestmark = pytest.mark.timeout(300)


def test_celery(tmp_path):
    """Two forked workers take four tasks; each has a trace of its own, from its sender to its extraction, exported once."""
    with receiving() as otlp, redis_server(tmp_path / "redis") as port:
        url = f"redis://127.0.0.1:{port}/0"
        worker = ("celery", "--app", "tasks", "worker", "--concurrency", "2", "--loglevel", "warning")
        with service("celery_worker", otlp, *worker, REDIS_URL=url):
            senders = [_ask(otlp, user, url) for user in range(4)]
            for sender in senders:
                out, err = sender.communicate(timeout=60)
                assert sender.returncode == 0, err
                assert out.startswith("[0.")
            pairs = requests_with_extractions(otlp, 4)
            for task, extraction in pairs:
                trace = otlp.trace(extraction.trace_id)
                (sent,) = (one for one in trace if one.kind == PRODUCER)
                assert (sent.name, task.name) == ("apply_async/tasks.extract", "run/tasks.extract")
                assert extraction.parent_id == task.span_id
                assert task.parent_id == sent.span_id
            assert len({extraction.trace_id for _, extraction in pairs}) == 4
        ids = [one.span_id for one in otlp.spans]
        assert len(ids) == len(set(ids)) == 12


def _ask(otlp, user, url):
    return subprocess.Popen(
        launched("python", "ask.py", str(user)),
        env=settings(otlp, REDIS_URL=url),
        cwd=ROOT / "examples" / "celery_worker",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
