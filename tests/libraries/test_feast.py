"""Feast at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import FEAST
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENTS = {version: Environment(f"feast-{version}", (*wanted, *RUNNER)) for version, wanted in FEAST.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_feast(version):
    """Feast's online look-ups; see inside/feast_cases.py."""
    python = ENVIRONMENTS[version].python()
    run_inside(python, "tests/libraries/inside/feast_cases.py")
