"""The service that is measured: a cached feature lookup. It knows nothing of telemetry."""

from __future__ import annotations

import redis
import redis.asyncio
import sqlalchemy

KEY = "user:1"
SQL_EVERY = 5
"""One extraction in so many reads the database as well."""
LOOKUPS = 10
"""Of an extraction of `LookupsService`."""
POOL_SIZE = 8
ASYNC_CONNECTIONS = 32
_QUERY = "SELECT b FROM rows WHERE a = :a"


class _Connected:
    """A client of Redis, and an engine with a QueuePool."""

    def __init__(self, socket: str, database: str) -> None:
        # Looked up on the module: the SQLAlchemy instrumentation replaces the attribute.
        self._engine = sqlalchemy.create_engine(
            f"sqlite:///{database}",
            poolclass=sqlalchemy.QueuePool,
            pool_size=POOL_SIZE,
            connect_args={"check_same_thread": False},
        )
        self._query = sqlalchemy.text(_QUERY)
        self._redis = redis.Redis(unix_socket_path=socket)


class Service(_Connected):
    """One Redis GET per extraction, and a SELECT through a QueuePool in one of `SQL_EVERY`."""

    def extract(self, number: int) -> bytes:
        """Return the features of one user."""
        value = self._redis.get(KEY)
        if number % SQL_EVERY == 0:
            with self._engine.connect() as connection:
                connection.execute(self._query, {"a": 1}).fetchone()
        return value


class LookupsService(_Connected):
    """`LOOKUPS` Redis GETs per extraction, one after the other, and the same SELECT in one of `SQL_EVERY`."""

    def extract(self, number: int) -> list[bytes]:
        """Return the features of one user."""
        values = [self._redis.get(KEY) for _ in range(LOOKUPS)]
        if number % SQL_EVERY == 0:
            with self._engine.connect() as connection:
                connection.execute(self._query, {"a": 1}).fetchone()
        return values


class AsyncService:
    """One Redis GET per extraction, over a bounded pool; no SQL."""

    def __init__(self, socket: str) -> None:
        pool = redis.asyncio.BlockingConnectionPool(
            connection_class=redis.asyncio.UnixDomainSocketConnection,
            path=socket,
            max_connections=ASYNC_CONNECTIONS,
            timeout=None,
        )
        self._redis = redis.asyncio.Redis(connection_pool=pool)

    async def extract(self, _number: int) -> bytes:
        """Return the features of one user."""
        return await self._redis.get(KEY)

    async def aclose(self) -> None:
        """Close the connections, within the loop that opened them."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()
