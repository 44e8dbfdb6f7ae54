"""Real parts for the integration tests. In CI a missing one is a failure, elsewhere a skip that says what is missing."""

from __future__ import annotations

import pytest

from tests.real.parts import missing as missing  # noqa: PLC0414 the other folders of tests find it here
from tests.venvs import ROOT as ROOT  # noqa: PLC0414 likewise
from tests.venvs import Environment

BARE = Environment("bare", (), installed=True)


@pytest.fixture(scope="session")
def bare_python() -> str:
    """Return a Python with otel_fe and its own dependencies, and nothing else: no distro, Redis or SQLAlchemy."""
    return str(BARE.python())


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
def postgres_url():
    """Return the SQLAlchemy URL of a real PostgreSQL."""
    from tests.integration.servers import postgres_server

    with postgres_server() as url:
        yield url


@pytest.fixture
def observed():
    """Instrument this process, keep every trace, and return what leaves it."""
    from tests.observed import instrumented

    with instrumented() as found:
        yield found
