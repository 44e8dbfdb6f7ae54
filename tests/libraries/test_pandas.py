"""A pandas pipeline by target, at two major versions of pandas."""

from __future__ import annotations

import pytest

from tests.libraries.versions import PANDAS
from tests.venvs import RUNNER, environment, run_inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", PANDAS)
def test_pandas(version):
    """The documented example, and its spans; see inside/pandas_cases.py."""
    python = environment(f"pandas-{version}", *PANDAS[version], *RUNNER)
    run_inside(python, "tests/libraries/inside/pandas_cases.py")
