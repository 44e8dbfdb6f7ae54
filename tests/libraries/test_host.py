"""Objects of numba, Celery and IPython as targets, and Langfuse's span processor; newest versions, in an environment of their own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import HOST
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENT = Environment("host", (*HOST, *RUNNER))


@pytest.mark.timeout(600)
def test_host():
    """The host sees the same behaviour as without otel_fe; inside/host_cases.py has the cases."""
    run_inside(ENVIRONMENT.python(), "tests/libraries/inside/host_cases.py")
