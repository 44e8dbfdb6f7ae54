"""Runs callbacks once a module has been imported: now if it has been, else right after its code has run."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class ImportHooks:
    """A meta path finder for registered modules only, which leaves finding them to the others."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[ModuleType], None]]] = {}
        self._lasting: dict[str, list[Callable[[ModuleType], None]]] = {}
        self._lock = threading.RLock()
        self._looking = threading.local()
        self._installed = False

    def on_import(self, module: str, callback: Callable[[ModuleType], None], *, again: bool = False) -> None:
        """Call `callback` with the module once it has been imported; at once if it has been.

        Args:
            module: Its dotted name.
            callback: Called with it.
            again: Whether to call it each time that the module's code is run again: by a reload, or another import.
        """
        with self._lock:
            if again:
                self._lasting.setdefault(module, []).append(callback)
            loaded = sys.modules.get(module)
            if loaded is None or _initialising(loaded):
                if again:
                    return
                self._callbacks.setdefault(module, []).append(callback)
                return
        _call(callback, loaded)

    def install(self) -> None:
        """Start to watch imports."""
        if not self._installed:
            self._installed = True
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Stop, and forget what was waited for."""
        self._installed = False
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        with self._lock:
            self._callbacks.clear()
            self._lasting.clear()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders give, with its loader watched; None for all other modules."""
        if not (name in self._callbacks or name in self._lasting) or getattr(self._looking, "name", None) == name:
            return None
        self._looking.name = name
        try:
            spec = self._found_by_others(name, path, target)
        finally:
            self._looking.name = None
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return spec
        try:
            spec.loader = _WatchedLoader(spec.loader, self)  # type: ignore[assignment]
        except Exception as fault:
            faults.record("imports.watch", fault)
        return spec

    def _found_by_others(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        """Find the spec as the import system does: a reload makes a new one, rather than using the module's."""
        for finder in list(sys.meta_path):
            find: Any = getattr(finder, "find_spec", None)
            if finder is not self and find is not None:
                spec: ModuleSpec | None = find(name, path, target)
                if spec is not None:
                    return spec
        return None

    def imported(self, module: ModuleType) -> None:
        """Call what waits for a module whose code has just run."""
        with self._lock:
            callbacks = [*self._callbacks.pop(module.__name__, []), *self._lasting.get(module.__name__, [])]
        for callback in callbacks:
            _call(callback, module)


class _WatchedLoader:
    """Replaces a loader until the module's code has run; then the real one is restored."""

    def __init__(self, loader: Any, hooks: ImportHooks) -> None:
        self._loader = loader
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as the real loader does."""
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code as the real loader does, and then what waits for it."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._hooks.imported(module)


def _initialising(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _call(callback: Callable[[ModuleType], None], module: ModuleType) -> None:
    try:
        callback(module)
    except Exception as fault:
        faults.record("imports.callback", fault)
