"""Reads a Redis server's own statistics, over a separate connection (never from the application's pools), with short time-outs.

`INFO`, some `PING`s and `SLOWLOG LEN`. No key and no value is read.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PINGS: Final = 5
_HANDED_ON: Final = ("host", "port", "path", "username", "password", "credential_provider")
"""Of a client's options; those of TLS as well. What is asyncio's (retries, callbacks) stays behind."""


@dataclass(frozen=True, slots=True)
class Server:
    """Address and credentials of a Redis server."""

    address: str
    """`host:port`, or a socket's path."""
    options: Mapping[str, Any]
    """Options of a synchronous connection."""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class ServerReading:
    """One server's answer. Counts are since it started."""

    hits: int
    misses: int
    evictions: int
    expirations: int
    entries: int
    expiring: int
    average_ttl_s: float
    """Mean time to live of the entries that expire."""
    memory_bytes: int
    startup_bytes: int
    """Memory before the first entry."""
    max_memory_bytes: int
    """0 without a limit."""
    policy: str
    run_id: str
    """Id of the server's run; a restart changes it and resets the counters."""
    ping_s: float
    lookup_s: float
    """Mean time of a GET or MGET in the server; 0 before the first."""
    slow_commands: int


def server_of(options: Mapping[str, Any], connection_class: type) -> Server:
    """Return the server that a pool's connections go to.

    Args:
        options: The pool's `connection_kwargs`, of a synchronous or an asyncio client.
        connection_class: Theirs.
    """
    tls = "SSL" in connection_class.__name__
    wanted = {
        name: value
        for name, value in options.items()
        if value is not None and (name in _HANDED_ON or (tls and name.startswith("ssl_")))
    }
    path = wanted.get("path")
    address = str(path) if path else f"{wanted.get('host', 'localhost')}:{wanted.get('port', 6379)}"
    return Server(address, wanted, tls)


def read(server: Server, timeout_s: float) -> ServerReading:
    """Ask a server.

    Args:
        server: Which one.
        timeout_s: How long each answer may take.

    Raises:
        redis.RedisError: It cannot be reached, does not answer in time, or does not let us in.
    """
    # A caller that passes a client has imported the package.
    kinds, retries, backoffs = (import_module(f"redis.{name}") for name in ("connection", "retry", "backoff"))
    kind = kinds.SSLConnection if server.tls else kinds.Connection
    if "path" in server.options:
        kind = kinds.UnixDomainSocketConnection
    connection = kind(
        **server.options,
        socket_timeout=timeout_s,
        **({} if "path" in server.options else {"socket_connect_timeout": timeout_s}),
        retry=retries.Retry(backoffs.NoBackoff(), 0),
    )
    try:
        connection.connect()
        info = parsed(_asked(connection, "INFO", "all"))
        pings = sorted(_timed(connection, "PING") for _ in range(_PINGS))
        slow = int(_asked(connection, "SLOWLOG", "LEN"))
    finally:
        connection.disconnect()
    return _reading(info, statistics.median(pings), slow)


def parsed(answer: bytes | str) -> dict[str, str]:
    """Return the lines `name:value` of an INFO; headings and what is no such line are left out."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def _asked(connection: Any, *command: str) -> Any:
    connection.send_command(*command)
    return connection.read_response()


def _timed(connection: Any, command: str) -> float:
    start = perf_counter()
    _asked(connection, command)
    return perf_counter() - start


def _reading(info: Mapping[str, str], ping_s: float, slow: int) -> ServerReading:
    databases = [_fields(value) for name, value in info.items() if name.startswith("db") and name[2:].isdigit()]
    expiring = sum(int(database.get("expires", 0)) for database in databases)
    ttl = sum(int(database.get("avg_ttl", 0)) * int(database.get("expires", 0)) for database in databases)
    lookups = [_fields(info.get(f"cmdstat_{name}", "")) for name in ("get", "mget", "hget", "hgetall")]
    calls = sum(int(command.get("calls", 0)) for command in lookups)
    spent = sum(int(command.get("usec", 0)) for command in lookups)
    return ServerReading(
        hits=int(info.get("keyspace_hits", 0)),
        misses=int(info.get("keyspace_misses", 0)),
        evictions=int(info.get("evicted_keys", 0)),
        expirations=int(info.get("expired_keys", 0)),
        entries=sum(int(database.get("keys", 0)) for database in databases),
        expiring=expiring,
        average_ttl_s=ttl / expiring / 1000 if expiring else 0.0,
        memory_bytes=int(info.get("used_memory", 0)),
        startup_bytes=int(info.get("used_memory_startup", 0)),
        max_memory_bytes=int(info.get("maxmemory", 0)),
        policy=info.get("maxmemory_policy", ""),
        run_id=info.get("run_id", ""),
        ping_s=ping_s,
        lookup_s=spent / calls / 1e6 if calls else 0.0,
        slow_commands=slow,
    )


def _fields(value: str) -> dict[str, str]:
    """Return the parts of a value such as `keys=5,expires=0,avg_ttl=0`."""
    return {name: number for name, equals, number in (part.partition("=") for part in value.split(",")) if equals}
