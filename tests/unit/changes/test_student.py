"""Student's t distribution against published tables."""

from __future__ import annotations

import math

import pytest

from otel_fe.changes.student import critical, incomplete_beta, two_sided


@pytest.mark.parametrize(
    ("degrees", "t"),
    # Two-sided 5 %: NIST/SEMATECH e-Handbook, table 1.3.6.7.2.
    [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042), (100, 1.984)],
)
def test_critical_values_are_those_of_the_tables(degrees, t):
    assert critical(0.95, degrees) == pytest.approx(t, abs=6e-4)
    assert two_sided(t, degrees) == pytest.approx(0.05, abs=2e-4)


def test_many_degrees_of_freedom_are_the_normal_distribution():
    assert critical(0.95, 1e8) == pytest.approx(1.959964, abs=1e-5)
    assert two_sided(1.959964, 1e5) == pytest.approx(0.05, abs=1e-5)


def test_one_degree_of_freedom_is_cauchy():
    for t in (0.1, 1.0, 7.0, 500.0):
        assert two_sided(t, 1) == pytest.approx(1 - 2 * math.atan(t) / math.pi, rel=1e-9)


def test_the_beta_function_is_symmetric():
    for a, b, x in ((0.5, 3.0, 0.2), (7.0, 2.5, 0.9), (40.0, 0.5, 0.999)):
        assert incomplete_beta(a, b, x) == pytest.approx(1 - incomplete_beta(b, a, 1 - x), abs=1e-10)
    assert (incomplete_beta(2, 3, 0.0), incomplete_beta(2, 3, 1.0), two_sided(math.inf, 4)) == (0.0, 1.0, 0.0)
