"""Targets of `host_cases`: what numba and Celery make of a function."""

from __future__ import annotations

import numba
from celery import Celery, shared_task

app = Celery("host_modules", broker="memory://", backend="cache+memory://")


@numba.njit
def distance(x, y):
    """Return a distance."""
    return (x * x + y * y) ** 0.5


@numba.njit
def far(x, y):
    """Call a target from compiled code."""
    return distance(x, y) > 5.0


@app.task
def extract(user):
    """Return it doubled."""
    return user * 2


@app.task(bind=True, name="bound", max_retries=1, default_retry_delay=0)
def bound(self, user):
    """Fail at first."""
    if self.request.retries == 0:
        raise self.retry(exc=ValueError("again"))
    return user, self.name


@shared_task
def shared(user):
    """Return it."""
    return user
