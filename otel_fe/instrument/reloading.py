"""Code that IPython's autoreload has brought up to date without loading its module again.

Since IPython 9 it compiles the edited functions alone and exchanges the code of those there are: of our wrappers too, which by
that are the application's functions again. So the module's callbacks are called as after a reload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_fe.instrument.imports import ImportHooks

_MODULE: Final = "IPython.extensions.deduperreload.deduperreload"


class Reloading:
    """Calls what waits for a module after autoreload has edited it in place.

    Args:
        hooks: Whose callbacks are called.
    """

    def __init__(self, hooks: ImportHooks) -> None:
        self._hooks = hooks
        self._patches: list[Patch] = []

    def install(self) -> None:
        """Follow autoreload, now or once it is loaded."""
        self._hooks.on_import(_MODULE, self._patch)

    def remove(self) -> None:
        """Leave it as it was."""
        while self._patches:
            self._patches.pop().remove()

    def _patch(self, module: ModuleType) -> None:
        reloader = getattr(module, "DeduperReloader", None)
        if reloader is not None:
            patch = Patch(reloader, "maybe_reload_module", self._following)
            self._patches.append(patch)
            patch.apply()

    def _following(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def maybe_reload_module(reloader: Any, module: ModuleType) -> Any:
            reloaded = original(reloader, module)
            if reloaded:
                self._hooks.imported(module)  # what it calls is guarded
            return reloaded

        return maybe_reload_module
