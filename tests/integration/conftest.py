"""Real parts for the integration tests. In CI a missing one is a failure, elsewhere a skip that says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def missing(part: str) -> None:
    """Fail in CI, and skip elsewhere, because a real part is not there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{part} is missing, and CI must have it")
    pytest.skip(f"{part} is missing")


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with otel_fe and its own dependencies, and nothing else: no distro, Redis or SQLAlchemy."""
    folder = tmp_path_factory.mktemp("bare")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--editable", ROOT], check=True)
    return str(python)


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory):
    """Return the port of a real Redis server."""
    from tests.integration.servers import redis_server

    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture(scope="session")
def cluster_port(tmp_path_factory: pytest.TempPathFactory):
    """Return the port of a node of a real Redis cluster of three."""
    import contextlib
    import time

    import redis

    from tests.integration.servers import redis_server

    folder = tmp_path_factory.mktemp("cluster")
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(redis_server(folder / str(n), "--cluster-enabled", "yes")) for n in range(3)]
        clients = [stack.enter_context(redis.Redis(port=port, decode_responses=True)) for port in ports]
        edges = [0, 5461, 10923, 16384]
        for client, first, last in zip(clients, edges, edges[1:], strict=False):
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
        for port in ports[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        for _ in range(300):
            states = [client.execute_command("CLUSTER", "INFO") for client in clients]
            # redis-py parses this or not, by its version.
            if all("ok" in str(state).partition("cluster_state")[2][:6] for state in states):
                break
            time.sleep(0.05)
        yield ports[0]


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory):
    """Return the SQLAlchemy URL of a real PostgreSQL."""
    from tests.integration.servers import postgres_server

    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
def observed():
    """Instrument this process, keep every trace, and return what leaves it."""
    from tests.observed import instrumented

    with instrumented() as found:
        yield found
