"""The trace context of tasks, against a real cluster."""

from __future__ import annotations

import pytest

from tests.ray.cluster import ENVIRONMENT, SETTINGS
from tests.venvs import run_inside


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cases", ["task_cases", "client_cases", "serve_cases"])
def test_tasks_run_in_the_trace_that_they_were_submitted_in(cases):
    """However the function came to be where it is called; see inside/."""
    python = ENVIRONMENT.python()
    run_inside(python, f"tests/ray/inside/{cases}.py", "-o", "timeout=500", timeout_s=1100, **SETTINGS)
