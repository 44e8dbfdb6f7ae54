"""The page of a failed trace."""

from __future__ import annotations

from otel_fe.dashboard.failure import failure_of
from tests.unit.dashboard.traces import STACK, S, decoded, failing, get, sql


def names(failure):
    return [(step.name, step.failed) for step in failure.steps]


def test_first_failure_its_line_and_its_way_up_are_told():
    """The look-up failed before, and the extraction went on: that is not why it failed."""
    found = failure_of(decoded(failing()))
    assert names(found) == [("SELECT shop", True), ("feature_extraction user_profile", True), ("GET /features", True)]
    assert found.error_type == "psycopg.errors.QueryCanceled"
    assert found.message == "canceling statement due to statement timeout"
    assert found.line == "/srv/shop/features.py:31 load"
    assert found.stack == STACK
    assert (found.others, [step.name for step in found.besides]) == (1, ["GET"])
    assert found.at_ns == 7_000_000


def test_an_error_that_was_handled_says_who_went_on():
    trace = decoded(S("GET /", 0, 9, [S("feature_extraction x", 1, 8, [get(2, 3, error="refused"), sql(4, 5)])]))
    found = failure_of(trace)
    assert names(found) == [("GET", True), ("feature_extraction x", False)]
    assert found.message == "refused"
    assert (found.stack, found.line, found.error_type) == ("", "", "")


def test_a_span_that_failed_of_itself_after_a_handled_error_is_the_failure():
    children = [get(1, 2, error="refused"), sql(3, 4)]
    found = failure_of(decoded(S("feature_extraction x", 0, 9, children, error="ValueError", exception={"exception.type": "ValueError"})))  # fmt: skip
    assert names(found) == [("feature_extraction x", True)]
    assert (found.error_type, found.message, found.others) == ("ValueError", "", 1)


def test_of_two_that_came_as_far_the_first_is_told():
    """Two tasks at once, which a gather waits for."""
    both = [S("a", 1, 9, error="x"), S("b", 1, 5, error="y")]
    found = failure_of(decoded(S("top", 0, 10, both, error="z")))
    assert names(found)[0] == ("b", True)


def test_without_a_status_the_error_type_counts():
    found = failure_of(decoded(S("feature_extraction x", 0, 1, attributes={"error.type": "KeyError"})))
    assert (found.error_type, found.message) == ("KeyError", "")


def test_a_trace_without_errors_has_no_failure():
    assert failure_of(decoded(S("top", 0, 1))) is None
    assert failure_of(decoded()) is None


def test_credentials_in_a_message_are_not_shown():
    found = failure_of(decoded(get(0, 1, error="cannot reach redis://ada:sesame@cache:6379")))
    assert "sesame" not in found.message


def test_a_line_of_installed_code_is_named_where_there_is_no_other():
    stack = 'File "/usr/lib/python3/json/decoder.py", line 3, in decode\n'
    found = failure_of(
        decoded(S("x", 0, 1, error="", exception={"exception.type": "E", "exception.stacktrace": stack}))
    )
    assert found.line == "/usr/lib/python3/json/decoder.py:3 decode"
