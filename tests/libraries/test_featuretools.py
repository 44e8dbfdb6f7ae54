"""Featuretools at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import FEATURETOOLS
from tests.venvs import RUNNER, environment, run_inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", FEATURETOOLS)
def test_featuretools(version):
    """Featuretools's deep feature synthesis; see inside/featuretools_cases.py."""
    python = environment(f"featuretools-{version}", *FEATURETOOLS[version], *RUNNER)
    run_inside(python, "tests/libraries/inside/featuretools_cases.py")
