"""A task that extracts features, over Redis (`REDIS_URL`)."""

from __future__ import annotations

import os

from celery import Celery
from features import UserFeatures

_REDIS = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

app = Celery("tasks", broker=_REDIS, backend=_REDIS)
app.conf.broker_connection_retry_on_startup = True
features = UserFeatures()


@app.task(name="tasks.extract")
def extract(user: int) -> list[float]:
    """Extract the features of one user, in a worker."""
    return features.extract(user)
