"""Services with one planted cause each, under the launcher with its defaults: the product names the cause, and its line.

A verdict is on the milliseconds of all slow extractions of a run, so that a single one in which the watcher came late does not decide.
On a machine that runs other tests beside, extractions wait for a core as well: each case names the causes that this adds, and they are
left out of the comparison. `python -m tests.planted` measures without that, on a machine that does nothing else.
"""

from __future__ import annotations

import pytest

from tests.planted.cases import SERVICES, CannotRunError, cases

pytest.importorskip("opentelemetry.distro", reason="the launcher needs a distribution")

MOST_UNEXPLAINED = 0.2
"""Of a service's slow milliseconds, beside other tests; 5 % over all services on a machine that does nothing else."""


@pytest.mark.parametrize("service", cases())
def test_the_cause_and_its_line_are_named(service):
    """As the first cause, and with the line that took most of it."""
    case = cases()[service]
    try:
        (seen,) = case.runs(1)
    except CannotRunError as error:
        pytest.skip(str(error))
    if case.may_be_fast and not seen.extractions:
        pytest.skip("this machine's disk is as fast as memory: nothing was slow")
    first = seen.first(*case.besides)
    assert first in case.causes, seen
    assert case.holds_interpreter or case.line() in seen.line(first), seen
    assert seen.unexplained_ms < MOST_UNEXPLAINED * seen.slow_ms, seen


def test_every_service_is_a_case():
    """None of them is forgotten."""
    assert {path.stem for path in SERVICES.glob("*.py")} == set(cases())
