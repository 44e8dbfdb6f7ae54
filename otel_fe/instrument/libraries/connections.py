"""Watches the pools of this process: switched on with the first user, off with the last."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.libraries import redis_keys, redis_use, sqlalchemy_use
from otel_fe.instrument.libraries.pool_use import POOLS

if TYPE_CHECKING:
    from types import ModuleType

    from otel_fe.forecast.reuse import ReuseCurve
    from otel_fe.instrument.patch import Patch

_HOOKS: Final = {"sqlalchemy": sqlalchemy_use, "redis": redis_use}
"""Keyed by the module whose import triggers them."""


class Watching:
    """Hooks that are installed while they have at least one user. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._asked = 0
        self._imports = ImportHooks()
        self._patches: list[Patch] = []
        self._key_patches: list[Patch] = []

    def begin(self) -> None:
        """Watch every pool that is used, or made, from now on."""
        with self._lock:
            self._asked += 1
            if self._asked > 1:
                return
            for module in _HOOKS:
                self._imports.on_import(module, self._hook)
            self._imports.install()

    def end(self) -> None:
        """Put everything back, unless it is still in use elsewhere."""
        with self._lock:
            self._asked -= 1
            if self._asked:
                return
            self._imports.remove()
            while self._patches:
                self._patches.pop().remove()
            for pool in POOLS.watched():
                redis_use.leave(pool)
            POOLS.forget()

    def sample_keys(self, addresses: list[redis_keys.Address], curve: ReuseCurve) -> redis_keys.KeySample:
        """Sample the keys that are looked up at these servers, into one curve; where that is done already, go on."""
        with self._lock:
            found = next((redis_keys.SAMPLES[a] for a in addresses if a in redis_keys.SAMPLES), None)
            sample = redis_keys.KeySample(curve) if found is None else found
            redis_keys.SAMPLES.update(dict.fromkeys(addresses, sample))
            if not self._key_patches:
                self._key_patches = redis_keys.patches()
                for patch in self._key_patches:
                    patch.apply()
            return sample

    def leave_keys(self, sample: redis_keys.KeySample) -> None:
        """Stop sampling, and release the samples."""
        with self._lock:
            for address, held in list(redis_keys.SAMPLES.items()):
                if held is sample:
                    del redis_keys.SAMPLES[address]
            while self._key_patches and not redis_keys.SAMPLES:
                self._key_patches.pop().remove()

    def _hook(self, module: ModuleType) -> None:
        ours: Any = _HOOKS[module.__name__]
        for patch in ours.patches():
            patch.apply()
            self._patches.append(patch)


WATCHING: Final = Watching()
