"""tsfresh at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import TSFRESH
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENTS = {version: Environment(f"tsfresh-{version}", (*wanted, *RUNNER)) for version, wanted in TSFRESH.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_tsfresh(version):
    """tsfresh's extraction from time series; see inside/tsfresh_cases.py."""
    python = ENVIRONMENTS[version].python()
    run_inside(python, "tests/libraries/inside/tsfresh_cases.py")
