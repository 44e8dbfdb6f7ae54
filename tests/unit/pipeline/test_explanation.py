"""The sentence that says why a group of extractions is slow."""

from __future__ import annotations

import pytest

from otel_fe.model.statement import statement_summary
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.causes import Cause
from otel_fe.pipeline.explanation import CAUSE_PHRASES, explain

MS = 1_000_000


def cause(name, share, cost=None):
    """Return a cause with its shares of the time."""
    return Cause(name, 0.0, share, 0, share if cost is None else cost)


def test_sentence_names_the_call_and_its_line():
    """The example of the issue."""
    ranked = [cause("downstream", 0.81), cause("cpu", 0.1)]
    lines = {"downstream": "features.py:86 transaction_history", "cpu": "features.py:90 transaction_history"}
    found = explain("transaction_history", 56 * MS, ranked, lines=lines, call="SELECT … transactions")
    assert str(found) == (
        "transaction_history: p95 56 ms, 81 % of slow time in SELECT … transactions (features.py:86 transaction_history)"
    )


def test_sentence_about_misses_names_what_they_make_an_extraction_do():
    """A look-up that misses takes a millisecond: the line is that of what had to be computed."""
    ranked = [cause("cache_miss", 0.01, 0.9), cause("pool_wait", 0.5), cause("cpu", 0.3), cause("downstream", 0.2)]
    found = explain("images", 231 * MS, ranked, lines={"cpu": "features.py:110 embed", "pool_wait": "pool.py:1 get"})
    assert str(found) == (
        "images: p95 231 ms, 90 % of slow time because of cache misses, 30 % computing on the CPU (features.py:110 embed)"
    )


def test_slow_look_up_explains_itself():
    """If the cache itself is slow, no other cause is named."""
    found = explain("x", None, [cause("cache_miss", 0.7, 0.9), cause("cpu", 0.2)], lines={"cache_miss": "a.py:1 f"})
    assert str(found) == "x: 90 % of slow time because of cache misses (a.py:1 f)"


@pytest.mark.parametrize(
    ("p95_ns", "text"),
    [
        (9_500_000, "9.5 ms"),
        (9_960_000, "9.96 ms"),
        (99_600_000, "99.6 ms"),
        (840_000, "0.84 ms"),
        (1_250_000_000, "1.25 s"),
    ],
)
def test_percentile_is_rounded_to_what_matters(p95_ns, text):
    """Three digits, as on the pages: 99.6 ms is below the limit of 100 ms, and is not rounded to it."""
    assert str(explain("x", p95_ns, [], slow=0)) == f"x: p95 {text}, nothing is slow"


def test_slow_group_without_causes_does_not_claim_to_be_fast():
    """Slow extractions were counted, but none of their traces is stored."""
    assert explain("x", 2e8, [], slow=3).reason() == "no kept trace says why"


def test_every_cause_has_a_phrase():
    """No sentence contains an internal name of otel_fe."""
    assert set(CAUSE_PHRASES) == set(CAUSES)


@pytest.mark.parametrize(
    ("statement", "summary"),
    [
        ("SELECT a, b\n FROM transactions\nWHERE id = ?", "SELECT … transactions"),
        ("select extract(epoch from t) from public.users u", "SELECT … public.users"),
        ("SELECT 1", "SELECT"),
        ("SELECT x FROM (SELECT y FROM z) q", "SELECT"),
        ('INSERT INTO "orders"(a) VALUES (1)', "INSERT orders"),
        ("UPDATE `t` SET a = 1", "UPDATE t"),
        ("DELETE FROM t;", "DELETE t"),
        ("/* hint */ SELECT 1", ""),
        ("", ""),
    ],
)
def test_statement_has_a_short_name(statement, summary):
    """Verb and first table, never a value."""
    assert statement_summary(statement) == summary
