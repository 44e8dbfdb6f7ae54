"""The features of a fleet's example services: found by name, cached, through a pool; some slow, some failing."""

from __future__ import annotations

import functools
import time

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

ENGINE = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, connect_args={"check_same_thread": False})
RANKING = make_pipeline(FunctionTransformer(lambda rows: [[2 * value for value in row] for row in rows]))
TARGETS = f"{__name__}:user_features=user"
CACHES = f"{__name__}:profile"


@functools.lru_cache
def profile(user: int) -> int:
    """Return something about a user, which is in the cache from the second time on."""
    return user * user


def user_features(number: int) -> int:
    """Return a feature for a request: one of 10 fails, one of 15 takes longer than it may."""
    value = profile(number % 20)
    with ENGINE.connect() as connection:
        value += connection.execute(text("select 1")).scalar_one()
    if number % 15 == 7:
        time.sleep(0.12)
    if number % 10 == 3:
        raise ValueError(number)
    return value


def rank(value: int) -> object:
    """Return a score: an extraction because scikit-learn computes it."""
    return RANKING.transform([[value]])
