"""A pandas pipeline by target, at two major versions of pandas."""

from __future__ import annotations

import pytest

from tests.libraries.versions import PANDAS
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENTS = {version: Environment(f"pandas-{version}", (*wanted, *RUNNER)) for version, wanted in PANDAS.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_pandas(version):
    """The documented example, and its spans; see inside/pandas_cases.py."""
    python = ENVIRONMENTS[version].python()
    run_inside(python, "tests/libraries/inside/pandas_cases.py")
