"""transformers and sentence-transformers at their oldest and newest versions, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import NOT_NEEDED, SENTENCE_TRANSFORMERS, TRANSFORMERS
from tests.venvs import RUNNER, Environment, run_inside

PIPELINES = {
    version: Environment(f"transformers-{version}", (*wanted, *RUNNER), NOT_NEEDED)
    for version, wanted in TRANSFORMERS.items()
}
ENCODERS = {
    version: Environment(f"sentence-transformers-{version}", (*wanted, *RUNNER), NOT_NEEDED)
    for version, wanted in SENTENCE_TRANSFORMERS.items()
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", PIPELINES)
def test_transformers(version):
    """Pipelines, feature extractors and image processors; see inside/transformers_cases.py."""
    python = PIPELINES[version].python()
    run_inside(python, "tests/libraries/inside/transformers_cases.py")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ENCODERS)
def test_sentence_transformers(version):
    """Encoders; see inside/sentence_transformers_cases.py."""
    python = ENCODERS[version].python()
    run_inside(python, "tests/libraries/inside/sentence_transformers_cases.py")
