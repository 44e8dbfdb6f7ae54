"""Which keys are looked up again, and how soon: for the hit ratio that a Redis would have at another size.

At the connections, where single commands, pipelines, transactions and clusters come together, and only while it is needed. A key
is hashed at once; only its hash, and only if that is in the sample, is kept, for as long as the sample is. Python's hash of
bytes is keyed anew in each process (SipHash, PEP 456), so that it reveals nothing.
"""

from __future__ import annotations

from _thread import RLock
from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.forecast.reuse import HASHES, ReuseCurve
from otel_fe.forks import after_fork
from otel_fe.instrument.libraries.redis_responses import count_of
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_APART: Final = 512
"""Sampled look-ups that are collected before they are added to the curve."""
_MANY: Final = {"MGET", "EXISTS"}
_PATHS: Final = "JSON.MGET"
"""The command whose last argument is a path."""

Address = tuple[str, Any]
"""Host and port, or `unix` and a path."""


class KeySample:
    """A curve and the look-ups that have not been added to it yet.

    Args:
        curve: What they are added to.
    """

    def __init__(self, curve: ReuseCurve) -> None:
        self.curve = curve
        self._waiting: deque[tuple[int, int]] = deque()
        self._seen = 0
        self._lock = RLock()

    def looked_up(self, keys: Sequence[Any], time_ns: int) -> None:
        """Record look-ups of keys. Flat: it is on the path of every command."""
        self._seen += len(keys)
        threshold = self.curve.threshold
        for key in keys:
            hashed = hash(key if type(key) is bytes else _encoded(key)) % HASHES
            if hashed < threshold:
                self._waiting.append((hashed, time_ns))
        if len(self._waiting) >= _APART:
            self.settle()

    def noted(self, hashed: int) -> None:
        """Record a look-up of a key with a known hash (0..HASHES)."""
        self._seen += 1
        if hashed < self.curve.threshold:
            self._waiting.append((hashed, 0))
        if len(self._waiting) >= _APART:
            self.settle()

    def settle(self) -> ReuseCurve:
        """Add the collected look-ups to the curve, and return it."""
        with self._lock:
            seen, self._seen = self._seen, 0
            self.curve.references += seen
            waiting = self._waiting
            for _ in range(len(waiting)):
                self.curve.reference(*waiting.popleft())
            return self.curve

    def renew(self) -> None:
        """Renew the lock in a forked child: another thread of the parent may have held it."""
        self._lock = RLock()

    def restart(self) -> None:
        """Reset the counts, but keep the sampled keys."""
        with self._lock:
            self.settle().restart()


SAMPLES: Final[dict[Address, KeySample]] = {}
"""Keyed by the servers that they are of."""


def _after_fork() -> None:
    for sample in SAMPLES.values():
        sample.renew()


after_fork(_after_fork)


def patches() -> list[Patch]:
    """Return what to replace in redis-py, now that it is imported."""
    import redis.asyncio.connection as later  # noqa: PLC0415 only once the application has
    import redis.connection as now  # noqa: PLC0415

    return [
        Patch(now.AbstractConnection, "send_command", _one),
        Patch(now.AbstractConnection, "pack_commands", _several),
        Patch(later.AbstractConnection, "send_command", _one_later),
        Patch(later.AbstractConnection, "pack_commands", _several),
    ]


def address_of(options: Any) -> Address:
    """Return the address in a connection's options."""
    path = options.get("path")
    return ("unix", path) if path else (str(options.get("host", "localhost")), int(options.get("port", 6379)))


def _one(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        _note(self, (args,))
        return original(self, *args, **kwargs)

    return replacement


def _one_later(original: Callable[..., Any]) -> Callable[..., Any]:
    async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        _note(self, (args,))
        return await original(self, *args, **kwargs)

    return replacement


def _several(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, commands: Any, *args: Any, **kwargs: Any) -> Any:
        commands = list(commands)  # it may be a generator, that can be read once
        _note(self, commands)
        return original(self, commands, *args, **kwargs)

    return replacement


def _note(connection: Any, commands: Sequence[Sequence[Any]]) -> None:
    try:
        sample = SAMPLES.get(_address(connection))
        if sample is not None:
            for args in commands:
                if args and count_of(args[0]) is not None:
                    sample.looked_up(_keys(args), perf_counter_ns())
    except Exception as fault:
        faults.record("redis.keys", fault)


def _address(connection: Any) -> Address:
    path = getattr(connection, "path", None)
    return ("unix", path) if path else (connection.host, int(connection.port))


def _keys(args: Sequence[Any]) -> Sequence[Any]:
    name = args[0].decode() if isinstance(args[0], bytes) else args[0]
    name = name.upper()
    if name in _MANY:
        return args[1:]
    return args[1:-1] if name == _PATHS else args[1:2]


def _encoded(key: Any) -> bytes:
    """Return a key as it is sent, so that each spelling of it is one key."""
    if isinstance(key, str):
        return key.encode()
    return bytes(key) if isinstance(key, (bytearray, memoryview)) else repr(key).encode()
