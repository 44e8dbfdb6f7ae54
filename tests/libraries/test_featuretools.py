"""Featuretools at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import FEATURETOOLS
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENTS = {
    version: Environment(f"featuretools-{version}", (*wanted, *RUNNER)) for version, wanted in FEATURETOOLS.items()
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_featuretools(version):
    """Featuretools's deep feature synthesis; see inside/featuretools_cases.py."""
    python = ENVIRONMENTS[version].python()
    run_inside(python, "tests/libraries/inside/featuretools_cases.py")
