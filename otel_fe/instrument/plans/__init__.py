"""Plans of slow statements, where `OTEL_FE_EXPLAIN` is set: requested in the background, a few a minute.

explainable.py   which statements may be explained, and how they are written for it; plans without values. Pure functions.
asking.py      known plans, and the limits on requests
databases.py   EXPLAIN on a connection of its own: PostgreSQL, SQLite
"""
