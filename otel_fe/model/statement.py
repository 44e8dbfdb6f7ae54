"""Short names of SQL statements."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

_TABLE_FOLLOWS: Final = {"SELECT": "FROM", "DELETE": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE", "MERGE": "INTO"}


def statement_summary(statement: str) -> str:
    """Return a short name of an SQL statement, without values: `SELECT … transactions`; empty where its form is not known.

    Only the first table is named, and none of a subquery. OpenTelemetry has `db.query.summary` for the same purpose.
    """
    words = statement.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()
    if words and words[0].upper() == "WITH":
        words = _behind_with(words)
    verb = words[0].upper() if words else ""
    follows = _TABLE_FOLLOWS.get(verb)
    if follows is None:
        return ""
    depth = 0
    for word, table in pairwise(words):
        depth += (word == "(") - (word == ")")
        if not depth and word.upper() == follows and table != "(":
            between = " … " if verb == "SELECT" else " "
            return f"{verb}{between}{table.strip(_QUOTES)}"
    return verb


def _behind_with(words: list[str]) -> list[str]:
    """Return the words from the statement proper on, behind the queries that it names first."""
    depth = 0
    for at, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if not depth and word.upper() in _TABLE_FOLLOWS:
            return words[at:]
    return []


_QUOTES: Final = '"`[];'
