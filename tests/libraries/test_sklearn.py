"""scikit-learn at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import SKLEARN
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENTS = {
    version: Environment(f"scikit-learn-{version}", (*wanted, "cloudpickle", *RUNNER))
    for version, wanted in SKLEARN.items()
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_scikit_learn(version):
    """Transformers, pipelines and workers of joblib's; see inside/sklearn_cases.py."""
    python = ENVIRONMENTS[version].python()
    run_inside(python, "tests/libraries/inside/sklearn_cases.py")
