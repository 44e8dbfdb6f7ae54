"""Hamilton at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import HAMILTON
from tests.venvs import RUNNER, environment, run_inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", HAMILTON)
def test_hamilton(version):
    """Hamilton's executions and nodes; see inside/hamilton_cases.py."""
    python = environment(f"hamilton-{version}", *HAMILTON[version], *RUNNER)
    run_inside(python, "tests/libraries/inside/hamilton_cases.py")
