"""Chooses the connection that makes room for a new one, once a server is at its limit.

Closing the newest would let a thousand idle sockets lock all clients out. The sender with the most connections gives one up. Of
these, first goes one that has never completed a request, then an idle one, then one that is slow to send or to receive; of
equals, the oldest. A request that is being processed is never cut off.
"""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

from otel_fe.collector.servers.held_bytes import Holder


class Phase(IntEnum):
    """The state of a connection, in the order in which connections are closed."""

    HANDSHAKE = 0
    HEAD = 1
    IDLE = 2
    BODY = 3
    RESPONSE = 4
    """The client is to receive the response."""
    ANSWER = 5
    """The server is to answer."""


class Connection(Holder, Protocol):
    """A connection of a server."""

    closing: bool
    """Whether the request in progress is the last."""

    @property
    def phase(self) -> Phase:
        """Its state."""
        ...

    @property
    def proven(self) -> bool:
        """Return whether it has completed a request that was not refused."""
        ...

    @property
    def idle(self) -> bool:
        """Return whether it is between two requests."""
        ...


_One = TypeVar("_One", bound=Connection)
_Server = TypeVar("_Server")


class Connections(Generic[_One, _Server]):
    """All connections of one server, with what serves each. Used from the event loop's thread only.

    Args:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.tasks: dict[_One, _Server] = {}
        self._by_sender: Counter[str] = Counter()

    def add(self, connection: _One, task: _Server) -> bool:
        """Add a connection; return whether another was given up for it.

        Where all others are being processed, it is the new one.
        """
        self.tasks[connection] = task
        self._by_sender[connection.sender] += 1
        if len(self.tasks) <= self._most:
            return False
        victim = self._victim(connection)
        self.remove(victim)
        victim.evict()
        return True

    def remove(self, connection: _One) -> None:
        """Forget a connection."""
        if self.tasks.pop(connection, None) is not None:
            self._by_sender[connection.sender] -= 1
            if not self._by_sender[connection.sender]:
                del self._by_sender[connection.sender]

    def _victim(self, new: _One) -> _One:
        most = self._by_sender.most_common(1)[0][0]
        others = [one for one in self.tasks if one.evictable and one is not new]
        return min(
            (one for one in others if one.sender == most), key=_rank, default=min(others, key=_rank, default=new)
        )


def _rank(connection: Connection) -> tuple[bool, Phase, float]:
    return connection.proven, connection.phase, connection.since_s
