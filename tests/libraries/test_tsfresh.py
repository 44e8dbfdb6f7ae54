"""tsfresh at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import TSFRESH
from tests.venvs import RUNNER, environment, run_inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", TSFRESH)
def test_tsfresh(version):
    """tsfresh's extraction from time series; see inside/tsfresh_cases.py."""
    python = environment(f"tsfresh-{version}", *TSFRESH[version], *RUNNER)
    run_inside(python, "tests/libraries/inside/tsfresh_cases.py")
