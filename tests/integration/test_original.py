"""The recorded answers are what the real OpenTelemetry Collector says."""

from __future__ import annotations

import pytest

from tests.corpus import original, recorded
from tests.corpus.all_cases import CASES
from tests.real.collector import built_collector

pytestmark = pytest.mark.timeout(900)
GROUPS = list(dict.fromkeys(case.group for case in CASES))


@pytest.fixture(scope="module")
def answers():
    """Return the Collector's answer to every case: one process, one run."""
    return original.run(built_collector(), CASES)


@pytest.mark.parametrize("group", GROUPS)
def test_recorded_answers_are_the_collector_s(group, answers):
    """Every case; where chance decides, only how much is kept."""
    known = recorded.read()
    for case in CASES:
        if case.group == group:
            found, expected = answers[case.id], known[case.id]
            same = found.totals() == expected.totals() if case.totals_only else found == expected
            assert same, f"{case.id}: {recorded.difference(found, expected)}"
