"""Feast at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import FEAST
from tests.venvs import RUNNER, environment, run_inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", FEAST)
def test_feast(version):
    """Feast's online look-ups; see inside/feast_cases.py."""
    python = environment(f"feast-{version}", *FEAST[version], *RUNNER)
    run_inside(python, "tests/libraries/inside/feast_cases.py")
