"""The environment of these tests: frameworks that run an application's code in their own way."""

from __future__ import annotations

from typing import Final

from tests.venvs import RUNNER, Environment

FRAMEWORKS: Final = Environment(
    "frameworks",
    (
        *RUNNER,
        *("starlette>=0.40", "fastapi>=0.110", "uvicorn>=0.30", "flask>=3", "ipython>=8", "httpx>=0.27"),
        *("celery[redis]>=5.4", "rq>=2", "joblib>=1.4", "numpy>=1.26", "gevent>=24", "redis>=5"),
    ),
    installed=True,
)
