"""Statements without their values, and what makes many of them an N+1."""

from __future__ import annotations

import time

import pytest

from otel_fe.profiles.repeated_calls import (
    CallPattern,
    RepeatedCalls,
    n_plus_ones,
    repeated_calls,
    statement_shape,
    usual_n_plus_one,
)
from tests.unit.dashboard.traces import decoded, get, sql

SELECT = CallPattern("database", "SELECT … item", "SELECT 1")


@pytest.mark.parametrize(
    ("statement", "shape", "name"),
    [
        ("SELECT a FROM t WHERE id = 7 AND name = 'O''Hara'", "SELECT a FROM t WHERE id = ? AND name = ?", "SELECT … t"),
        ("SELECT a\n  FROM t -- why\n WHERE x IN (1, 2,3)", "SELECT a FROM t WHERE x IN (?)", "SELECT … t"),
        ("SELECT a FROM t1 WHERE id = %(id_1)s::INTEGER", "SELECT a FROM t1 WHERE id = ?::INTEGER", "SELECT … t1"),
        ("SELECT a FROM s.t WHERE id = $1 OR id = :id OR id = ?", "SELECT a FROM s.t WHERE id = ? OR id = ? OR id = ?", "SELECT … s.t"),
        ('UPDATE "t" SET a = -1.5e3', 'UPDATE "t" SET a = ?', "UPDATE t"),
        ("INSERT INTO t VALUES (1, 'x')", "INSERT INTO t VALUES (?)", "INSERT t"),
        ("WITH r(n) AS (SELECT 1 FROM r LIMIT 5) SELECT a, (SELECT count(*) FROM r) FROM item", "WITH r(n) AS (SELECT ? FROM r LIMIT ?) SELECT a, (SELECT count(*) FROM r) FROM item", "SELECT … item"),
        ("SELECT 1", "SELECT ?", "SELECT"),
    ],
)  # fmt: skip
def test_statements_are_equal_but_for_their_values(statement, shape, name):
    assert statement_shape(statement) == shape
    (node,) = decoded(sql(0, 1, statement)).nodes
    assert node.call == CallPattern("database", name, shape)


def test_the_conventions_own_summary_names_a_call():
    one = sql(0, 1)
    one.attributes |= {"db.query.summary": "SELECT prices"}
    assert decoded(one).nodes[0].call.name == "SELECT prices"


def test_a_span_that_is_no_call_has_none():
    one = get(0, 1)
    one.attributes, one.kind = {}, 1
    assert decoded(one).nodes[0].call is None


@pytest.mark.parametrize(
    ("count", "each", "between", "expected"),
    [(5, 10, 0, True), (4, 20, 0, False), (150, 0.5, 0, True), (20, 0.5, 40, False), (20, 10, -9, False)],
    ids=["fewest", "too few", "many", "too little of it", "side by side"],
)
def test_many_reads_one_after_another_that_take_time_are_an_n_plus_one(count, each, between, expected):
    times = [(round(n * (each + between) * 1e6), round((n * (each + between) + each) * 1e6)) for n in range(count)]
    assert repeated_calls(SELECT, times, round(1e6 * max(100, count * (each + between)))).n_plus_one is expected


def test_writes_are_repeated_and_no_n_plus_one():
    times = [(n * 10, n * 10 + 10) for n in range(10)]
    assert not repeated_calls(SELECT._replace(name="INSERT item"), times, 100).n_plus_one


def test_the_one_that_takes_most_comes_first():
    slower = SELECT._replace(name="SELECT slow")
    calls = [(1, SELECT, n * 10, n * 10 + 3) for n in range(10)] + [
        (1, slower, n * 10 + 3, n * 10 + 10) for n in range(10)
    ]
    assert [one.call.name for one in n_plus_ones(calls, 100)] == ["SELECT slow", "SELECT … item"]
    # Below different parents, there are too few of each.
    assert n_plus_ones([(n, *call[1:]) for n, call in enumerate(calls)], 100) == ()


@pytest.mark.parametrize(
    "hostile", ["'" * 5_000, "/*" * 5_000, "a." * 5_000, "a (" * 5_000, "-1" * 5_000, "%(" * 5_000]
)
def test_a_hostile_statement_costs_little(hostile):
    """A hundred times of what it takes, in processor time."""
    began = time.process_time()
    decoded(sql(0, 1, "SELECT " + hostile)).nodes[0].call  # noqa: B018 what it costs
    assert time.process_time() - began < 2


def test_an_n_plus_one_that_most_slow_extractions_have_is_usual():
    """Usual is meant by weight: an extraction that stands for twenty outweighs ten that stand for themselves."""

    def slow(weight, *repeated):
        return repeated, weight

    many = RepeatedCalls(SELECT, 150, 74, sequential=True, share=0.74)
    few = RepeatedCalls(SELECT, 50, 24, sequential=True, share=0.24)
    assert usual_n_plus_one([slow(1, many), slow(1, few)]) == RepeatedCalls(
        SELECT, 100, 49, sequential=True, share=0.49
    )
    assert usual_n_plus_one([slow(20, many), *[slow(1)] * 10]) == many
    assert usual_n_plus_one([slow(1, many), slow(1)]) is None
    assert usual_n_plus_one([]) is None
