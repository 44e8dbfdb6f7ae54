"""Resizes SQLAlchemy's `QueuePool` (1.4, 2.0, 2.1), also under its asyncio extension, while it is used.

A pool keeps idle connections in a queue of `pool_size`; `_overflow` is the number of its connections, idle and used, minus
`pool_size`. The pool opens another connection while `_overflow` is below `_max_overflow`. To change `pool_size` is therefore to
change the maximum of the queue and to shift the count by the difference, under the lock with which the pool itself counts.

These names are not public. They have been the same in every release of the three series, and a pool that lacks one of them, or is
of a class of the application's own, is refused.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from otel_fe.autopilot.resource import PATIENT_S, CannotResizeError, restore_each
from otel_fe.autopilot.server_limit import room_of_database
from otel_fe.config.autopilot import POOLS

if TYPE_CHECKING:
    from collections.abc import Generator

_SIZES: Final = "_otel_fe_sizes"
"""Attribute on a resized pool: `pool_size` and `max_overflow` as the application chose them, and as they were set last."""
_SERIES: Final = ("1.4.", "2.0.", "2.1.")
_CLASSES: Final = ("QueuePool", "AsyncAdaptedQueuePool")
_NEEDED: Final = ("_pool", "_overflow", "_max_overflow", "_overflow_lock", "_dec_overflow", "recreate")
_TURN_S: Final = 0.05
_PATIENCE_S: Final = 0.5
_LOCKED_S: Final = 2.0
"""Time-out for a lock of the pool: a lock that another thread held at a fork is never released in the child."""

_resized: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""All pools that do not have the application's sizes, also those that `dispose()` made of resized ones."""


class SqlalchemyPool:
    """A pool as a resource.

    Args:
        name: Address that the pool connects to.
        pool: SQLAlchemy's pool.
    """

    def __init__(self, name: str, pool: Any) -> None:
        self.name: Final = name
        self.kind: Final = POOLS
        self._pool = pool

    def size(self) -> int:
        """Return `pool_size + max_overflow`."""
        refuse_others(self._pool)
        return int(self._pool._pool.maxsize) + int(self._pool._max_overflow)

    def resize(self, size: int) -> None:
        """Open up to `size` connections from now on, and keep the additional ones open.

        A smaller pool gives up its overflow first. Connections that are too many are closed when it is their turn, never in use.
        """
        refuse_others(self._pool)
        if size < 1:
            raise CannotResizeError(f"{self.name}: a pool of {size} connections would be unbounded")
        host = _host_sizes(self._pool)
        if size < sum(host) and self._pool._timeout < PATIENT_S:
            raise CannotResizeError(
                f"{self.name}: its callers wait {self._pool._timeout:g} s and then fail, so it is not made smaller than the "
                f"application made it: use a pool_timeout of at least {PATIENT_S:g} s."
            )
        sizes = _split(size, *host)
        _apply(self._pool, *sizes)
        _remember(self._pool, host, sizes)
        self.settle()

    def settle(self) -> None:
        """Close surplus connections of a resized pool, waiting for each in turn, for half a second at most."""
        pool = self._pool
        if _SIZES not in vars(pool) or _is_async(pool):
            return  # asyncio's pools close connections in the event loop only, when they are returned to a full queue
        until = time.monotonic() + _PATIENCE_S
        while pool._overflow > pool._max_overflow and time.monotonic() < until:
            try:
                record = pool._pool.get(True, _TURN_S)  # noqa: FBT003 its signature
            except Exception:  # noqa: BLE001, S112 empty: all are in use
                continue
            _close(pool, record)

    def restore(self) -> None:
        """Restore the application's sizes."""
        restore(self._pool)

    def most(self) -> int | None:
        """Return the largest size that the database has room for."""
        return room_of_database(self._pool, self.name)


def restore_all() -> None:
    """Restore the application's sizes of every pool, also of those made from resized ones since."""
    restore_each(_resized, restore)


def restore(pool: Any) -> None:
    """Restore a pool's own sizes, unless it has them, or the application has set others since."""
    resized, host = _SIZES in vars(pool), _host_sizes(pool)
    if resized:
        with contextlib.suppress(CannotResizeError):  # locked for ever: the application cannot use the pool either
            _apply(pool, *host)
            SqlalchemyPool("", pool).settle()
    vars(pool).pop(_SIZES, None)
    vars(pool).pop("recreate", None)
    _resized.discard(pool)


def _sizes(pool: Any) -> tuple[int, int]:
    return int(pool._pool.maxsize), int(pool._max_overflow)


def _host_sizes(pool: Any) -> tuple[int, int]:
    """Return the application's sizes; one that it has set after a resize is its own."""
    now = _sizes(pool)
    (size, overflow), ours = vars(pool).get(_SIZES, (now, now))
    return size if now[0] == ours[0] else now[0], overflow if now[1] == ours[1] else now[1]


def refuse_others(pool: Any) -> None:
    """Refuse pools that are not known to work.

    Raises:
        CannotResizeError: Another class, another version, or a pool without a bound.
    """
    sqlalchemy: Any = sys.modules.get("sqlalchemy")
    version = str(getattr(sqlalchemy, "__version__", ""))
    kind = type(pool)
    if kind.__module__ != "sqlalchemy.pool.impl" or kind.__name__ not in _CLASSES:
        raise CannotResizeError(
            f"{kind.__name__} cannot be resized: only SQLAlchemy's own {' and '.join(_CLASSES)} can."
        )
    if not version.startswith(_SERIES):
        raise CannotResizeError(
            f"Pools of SQLAlchemy {version} are not resized; versions {', '.join(_SERIES)}x are tested."
        )
    if any(not hasattr(pool, name) for name in _NEEDED) or not isinstance(pool._overflow, int):
        raise CannotResizeError(
            f"This {kind.__name__} of SQLAlchemy {version} differs internally from the tested versions."
        )
    if pool._max_overflow < 0 or pool._pool.maxsize < 1:
        raise CannotResizeError("This pool is unbounded (max_overflow=-1 or pool_size=0), so it has no size to change.")


def _split(size: int, host_size: int, host_overflow: int) -> tuple[int, int]:
    """Return `pool_size` and `max_overflow` for a size: the application's overflow as long as its `pool_size` is reached."""
    overflow = host_overflow if size >= host_size + host_overflow else max(0, size - host_size)
    return size - overflow, overflow


def _remember(pool: Any, host: tuple[int, int], ours: tuple[int, int]) -> None:
    held = vars(pool)
    held[_SIZES] = (host, ours)
    if "recreate" not in held:
        held["recreate"] = _recreating(weakref.ref(pool))
        _resized.add(pool)


def _recreating(pool: weakref.ref[Any]) -> Any:
    def recreate() -> Any:
        """Make the pool that replaces this one after `dispose()`, with its present size and the application's."""
        old: Any = pool()
        made = type(old).recreate(old)
        with contextlib.suppress(Exception):
            if _SIZES in vars(old) and type(made) is type(old):
                _remember(made, _host_sizes(old), _sizes(made))
        return made

    return recreate


def _apply(pool: Any, size: int, overflow: int) -> None:
    """Set both sizes at once, under the pool's own locks."""
    queue = pool._pool
    surplus: list[Any] = []
    with _locked(pool._overflow_lock), _locked(_mutex(queue)):
        change = size - int(queue.maxsize)
        if not _is_async(pool):
            # The queue is full when it holds exactly as many as it may: it must never hold more.
            while queue._qsize() > size:
                surplus.append(queue._get())
        queue.maxsize = size
        inner = vars(queue).get("_queue")
        if inner is not None and hasattr(inner, "_maxsize"):
            inner._maxsize = size
        pool._overflow -= change + len(surplus)
        pool._max_overflow = overflow
    for record in surplus:
        with contextlib.suppress(Exception):
            record.close()


@contextlib.contextmanager
def _locked(lock: Any) -> Generator[None]:
    """Hold a lock of the pool's.

    Raises:
        CannotResizeError: The lock is not released.
    """
    if not lock.acquire(timeout=_LOCKED_S):
        raise CannotResizeError(
            "A lock of the pool is not released; this happens when a forked process keeps using its parent's pool."
        )
    try:
        yield
    finally:
        lock.release()


def _mutex(queue: Any) -> Any:
    found = getattr(queue, "mutex", None)
    return threading.RLock() if found is None else found


def _is_async(pool: Any) -> bool:
    return type(pool).__name__ == "AsyncAdaptedQueuePool"


def _close(pool: Any, record: Any) -> None:
    try:
        record.close()
    except Exception:  # noqa: BLE001, S110 what cannot be closed is gone all the same
        pass
    finally:
        pool._dec_overflow()
