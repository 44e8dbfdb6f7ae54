"""Hamilton at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import HAMILTON
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENTS = {version: Environment(f"hamilton-{version}", (*wanted, *RUNNER)) for version, wanted in HAMILTON.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_hamilton(version):
    """Hamilton's executions and nodes; see inside/hamilton_cases.py."""
    python = ENVIRONMENTS[version].python()
    run_inside(python, "tests/libraries/inside/hamilton_cases.py")
