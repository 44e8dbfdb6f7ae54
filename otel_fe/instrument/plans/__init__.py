"""Plans of slow statements, where `OTEL_FE_EXPLAIN` asks for them: taken off the path of requests, a few a minute.

statement.py   which statements may be explained, and how they are written for it; plans without values. Pure functions.
asking.py      which plans are known, and when one may be asked for
databases.py   EXPLAIN on a connection of its own: PostgreSQL, SQLite
"""
