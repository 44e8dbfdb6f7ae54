"""The tables behind the features: users and their transactions, in SQLite unless DATABASE_URL names another server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from sklearn.datasets import load_diabetes

if TYPE_CHECKING:
    from pathlib import Path

USERS = 600
TRANSACTIONS = 800_000
PROFILE_COLUMNS = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")

_metadata = sa.MetaData()
users = sa.Table(
    "users",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Float) for name in PROFILE_COLUMNS),
)
transactions = sa.Table(
    "transactions",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.Integer),  # and no index on it: every look at a user's history reads the whole table
    sa.Column("amount", sa.Float),
    sa.Column("hour", sa.Integer),
)


def connect(folder: Path) -> sa.Engine:
    """Return an engine with a pool that is too small for the service's threads, and the tables filled."""
    url = os.environ.get("DATABASE_URL", f"sqlite:///{folder / 'features.db'}")
    engine = sa.create_engine(url, poolclass=sa.QueuePool, pool_size=2, max_overflow=0, pool_timeout=10)
    _metadata.create_all(engine)
    with engine.begin() as connection:
        if connection.scalar(sa.select(sa.func.count()).select_from(users)) == 0:
            _fill(connection)
    return engine


def _fill(connection: sa.Connection) -> None:
    random = np.random.default_rng(7)
    table = load_diabetes().data
    rows = table[random.integers(0, len(table), USERS)] + random.normal(0, 0.01, (USERS, table.shape[1]))
    connection.execute(
        sa.insert(users),
        [{"id": i, **dict(zip(PROFILE_COLUMNS, row, strict=True))} for i, row in enumerate(rows.tolist())],
    )
    columns = zip(
        random.integers(0, USERS, TRANSACTIONS).tolist(),
        random.gamma(2.0, 25.0, TRANSACTIONS).tolist(),
        random.integers(0, 24, TRANSACTIONS).tolist(),
        strict=True,
    )
    connection.execute(
        sa.insert(transactions),
        [{"user_id": user, "amount": amount, "hour": hour} for user, amount, hour in columns],
    )
