"""Cases that run inside an environment with Ray, against a real cluster: the trace context of tasks, and slow extractions."""

from __future__ import annotations

import pytest

from tests.ray.cluster import ENVIRONMENT, SETTINGS
from tests.venvs import run_inside


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cases", ["task_cases", "client_cases", "serve_cases", "watch_cases"])
def test_inside_of_ray(cases):
    """The cases of inside/ pass: tasks, however their function reached the worker, the driver, batches and the watcher."""
    python = ENVIRONMENT.python()
    run_inside(python, f"tests/ray/inside/{cases}.py", "-o", "timeout=500", timeout_s=1100, **SETTINGS)
