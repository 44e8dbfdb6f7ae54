"""Servers, task queues and pools as they are installed, in an environment of their own; see `inside/`."""

from __future__ import annotations

import pytest

from tests.frameworks.versions import FRAMEWORKS
from tests.venvs import run_inside

pytestmark = pytest.mark.timeout(600)


def test_streaming():
    """Streaming responses of Starlette; see inside/streaming_cases.py."""
    run_inside(FRAMEWORKS.python(), "tests/frameworks/inside/streaming_cases.py")


def test_registered_and_reloaded():
    """FastAPI, Flask and IPython's autoreload; see inside/registered_cases.py."""
    run_inside(FRAMEWORKS.python(), "tests/frameworks/inside/registered_cases.py")


def test_greenlets_and_numpy():
    """gevent, and NumPy's numbers; see inside/greenlet_cases.py."""
    run_inside(FRAMEWORKS.python(), "tests/frameworks/inside/greenlet_cases.py")
