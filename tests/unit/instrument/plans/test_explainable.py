"""Which statements may be explained, and plans without values."""

from __future__ import annotations

import pytest

from otel_fe.instrument.plans.explainable import may_be_explained, numbered, parameters_in, shortened, without_values


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "  select a from t where b = %(b)s::INTEGER",
        "(SELECT a FROM t) UNION (SELECT 'it''s; no' FROM u)".replace(";", ","),
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT updated_at, \"update\", 'delete' FROM t -- insert",
        "/* route=/x */ SELECT a FROM t WHERE id = $1",
    ],
)
def test_what_only_reads_may_be_explained(statement):
    assert may_be_explained(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "SELECT a INTO u FROM t",
        "SELECT a FROM t FOR UPDATE",
        "SELECT a FROM t FOR NO KEY UPDATE",
        "SELECT a FROM t FOR KEY SHARE",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "with n as (insert into t values (1) returning *) select * from n",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT $$; DROP TABLE t$$",
        "SELECT E'\\'; DELETE FROM t'",
        "SELECT 1 /* /* */ DELETE */",
        "SELECT 'unfinished",
        "CALL f()",
        "SELECTED",
        "SELECT " + "a, " * 10_000 + "a",
    ],
)
def test_all_else_is_left_alone(statement):
    assert not may_be_explained(statement)


def test_parameters_of_drivers_become_postgresql_s_own():
    assert numbered("SELECT %(a)s::INT, %(b)s, %(a)s, 5 %% 2") == ("SELECT $1::INT, $2, $1, 5 % 2", 2)
    assert numbered("SELECT %s, %s") == ("SELECT $1, $2", 2)
    assert numbered("SELECT $2::INT, $1") == ("SELECT $2::INT, $1", 2)
    assert numbered("SELECT 1") == ("SELECT 1", 0)
    assert parameters_in("SELECT ?, '?', \"?\" -- ?\n WHERE a = ?") == 2


def test_values_are_taken_out_of_a_plan_and_estimates_stay():
    plan = """Nested Loop  (cost=0.28..16.30 rows=1 width=4)
  ->  Index Scan using t1_pkey on t1  (cost=0.15..8.17 rows=1 width=4)
        Index Cond: (id = 4711)
  ->  Seq Scan on t2  (cost=0.00..35.50 rows=10 width=36)
        Filter: ((name = 'O''Hara'::text) AND (a2 > '-1.5'::numeric) AND (b = $1))"""
    assert (
        without_values(plan)
        == """Nested Loop  (cost=0.28..16.30 rows=1 width=4)
  ->  Index Scan using t1_pkey on t1  (cost=0.15..8.17 rows=1 width=4)
        Index Cond: (id = ?)
  ->  Seq Scan on t2  (cost=0.00..35.50 rows=10 width=36)
        Filter: ((name = ?::text) AND (a2 > ?::numeric) AND (b = $1))"""
    )


def test_a_long_plan_is_cut_at_a_line():
    cut = shortened("\n".join(["Seq Scan on part"] * 1_000))
    assert len(cut) < 4_100
    assert cut.endswith("Seq Scan on part\n…")
