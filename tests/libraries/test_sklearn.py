"""scikit-learn at its oldest and its newest version, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import SKLEARN
from tests.venvs import RUNNER, environment, run_inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", SKLEARN)
def test_scikit_learn(version):
    """Transformers, pipelines and workers of joblib's; see inside/sklearn_cases.py."""
    python = environment(f"scikit-learn-{version}", *SKLEARN[version], "cloudpickle", *RUNNER)
    run_inside(python, "tests/libraries/inside/sklearn_cases.py")
