"""transformers and sentence-transformers at their oldest and newest versions, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.libraries.versions import NOT_NEEDED, SENTENCE_TRANSFORMERS, TRANSFORMERS
from tests.venvs import RUNNER, environment, run_inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", TRANSFORMERS)
def test_transformers(version):
    """Pipelines, feature extractors and image processors; see inside/transformers_cases.py."""
    python = environment(f"transformers-{version}", *TRANSFORMERS[version], *RUNNER, without=NOT_NEEDED)
    run_inside(python, "tests/libraries/inside/transformers_cases.py")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", SENTENCE_TRANSFORMERS)
def test_sentence_transformers(version):
    """Encoders; see inside/sentence_transformers_cases.py."""
    wanted = SENTENCE_TRANSFORMERS[version]
    python = environment(f"sentence-transformers-{version}", *wanted, *RUNNER, without=NOT_NEEDED)
    run_inside(python, "tests/libraries/inside/sentence_transformers_cases.py")
