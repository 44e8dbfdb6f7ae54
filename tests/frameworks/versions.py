"""What the environment of these tests holds beside otel_fe's own dependencies."""

from __future__ import annotations

from typing import Final

from tests.venvs import RUNNER

FRAMEWORKS: Final = (
    *RUNNER,
    *("starlette>=0.40", "fastapi>=0.110", "uvicorn>=0.30", "flask>=3", "ipython>=8"),
    *("celery[redis]>=5.4", "rq>=2", "joblib>=1.4", "numpy>=1.26", "gevent>=24", "redis>=5"),
)
