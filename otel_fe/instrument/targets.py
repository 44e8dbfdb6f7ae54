"""The functions that a user named in `OTEL_FE_TARGETS`, each call of which is an extraction.

Modules that are imported already are wrapped at once, others right after their code has run. `from shop.text import embed`
keeps whatever `embed` was at that moment: a module that took its copy before it was wrapped is named in a warning. In a
script that is run as `__main__`, name `__main__:function` cannot work, since its functions exist only when it runs: such a
target is refused with that reason; put the code into a module, or decorate it.
"""

from __future__ import annotations

import atexit
import difflib
import functools
import importlib.util
import logging
import pkgutil
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument import faults
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.target import NotWrappedError, Replacement, Target, parse_targets, replace
from otel_fe.instrument.wrapping import wrap

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_fe.instrument.imports import ImportHooks

_log = logging.getLogger("otel_fe")

_LOOK_AFTER_S: Final = 5.0
"""When to look for the modules that have not been imported: by then an application has set up its path."""


class NamedTargets:
    """Targets that are replaced as their modules come in.

    Args:
        variable: The variable that named them, for messages.
        value: Its value.
        make: Returns the replacement of a function, given its target.
    """

    def __init__(
        self,
        variable: str,
        value: str,
        make: Callable[[Callable[..., Any], Target], Callable[..., Any]],
    ) -> None:
        self._variable = variable
        self._make = make
        self._targets = parse_targets(variable, value)
        self._replaced: list[Replacement] = []
        self._timer: threading.Timer | None = None
        self._reported: set[str] = set()
        self.refused: dict[str, str] = {}
        """Why, by target."""

    def __str__(self) -> str:
        waiting = len(self._waiting())
        parts = [str(replacement.target) for replacement in self._replaced]
        if waiting:
            parts.append(f"{waiting} when imported")
        if self.refused:
            parts.append(f"{len(self.refused)} not wrapped")
        return ", ".join(parts) or "none"

    @property
    def wrapped(self) -> list[str]:
        """The targets that have been replaced."""
        return [str(replacement.target) for replacement in self._replaced]

    def instrument(self, hooks: ImportHooks) -> None:
        """Replace every target, now or when its module is imported."""
        self.refused.clear()
        for target in self._targets:
            if target.module == "__main__":
                self._refuse(target, "a script's functions exist only while it runs; put them into a module")
            else:
                hooks.on_import(target.module, functools.partial(self._replace, target))
        if self._waiting():
            # Not now: a script's own folder joins sys.path after the launcher has run.
            self._timer = threading.Timer(_LOOK_AFTER_S, self.report_missing)
            self._timer.daemon = True
            self._timer.start()
            atexit.register(self.report_missing)

    def uninstrument(self) -> None:
        """Put back what was replaced, last first."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            atexit.unregister(self.report_missing)
            self.report_missing()
        while self._replaced:
            self._replaced.pop().undo()

    def report_missing(self) -> None:
        """Warn of each target whose module has not been imported and cannot be found; it is wrapped if it comes yet."""
        try:
            for target in self._waiting():
                reason = _not_importable(target.module)
                if reason and str(target) not in self._reported:
                    self._reported.add(str(target))
                    _log.warning("otel_fe: %s: %s is not wrapped: %s", self._variable, target, reason)
        except Exception as fault:  # on a thread or at the exit of the application, among finders of anybody's
            faults.record("targets.report", fault)

    def _waiting(self) -> list[Target]:
        settled = {*self.wrapped, *self.refused}
        return [target for target in self._targets if str(target) not in settled]

    def _replace(self, target: Target, module: ModuleType) -> None:
        try:
            done = replace(target, module, lambda function: self._make(function, target))
        except NotWrappedError as error:
            self._refuse(target, str(error))
        except Exception as error:  # noqa: BLE001 whatever a descriptor of the application's does, it is not wrapped
            self._refuse(target, f"{type(error).__name__}: {error}")
        else:
            self._replaced.append(done)
            _warn_of_copies(done, module)

    def _refuse(self, target: Target, reason: str) -> None:
        self.refused[str(target)] = reason
        _log.warning("otel_fe: %s: %s is not wrapped: %s", self._variable, target, reason)


class Targets(NamedTargets):
    """The functions of `OTEL_FE_TARGETS`."""

    def __init__(self, value: str) -> None:
        super().__init__("OTEL_FE_TARGETS", value, _extraction)


def _extraction(function: Callable[..., Any], target: Target) -> Callable[..., Any]:
    return wrap(function, Spec(target.label, function=f"{target.module}.{target.qualname}"))


def _not_importable(name: str) -> str:
    """Return why a module cannot be found, or an empty string. Imports nothing but looks at what lies on the path."""
    top, _, rest = name.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ""
    if spec is None:
        near = difflib.get_close_matches(top, [module.name for module in pkgutil.iter_modules()], n=1)
        return f"no module {top}{f'; the closest is {near[0]}' if near else ''}"
    path = spec.submodule_search_locations
    for part in rest.split(".") if rest else ():
        if path is None:
            return f"{top} is not a package"
        names = [module.name for module in pkgutil.iter_modules(list(path))]
        if part not in names:
            near = difflib.get_close_matches(part, names, n=1)
            return f"no module {name}{f'; the closest is {near[0]}' if near else ''}" if names else ""
        path = [f"{folder}/{part}" for folder in path]
    return ""


def _warn_of_copies(done: Replacement, home: ModuleType) -> None:
    """Name the modules that imported the function itself before it was wrapped: their calls stay unseen."""
    if done.owner is not home:
        return
    for name, module in list(sys.modules.items()):
        if module is home:
            continue
        try:
            holds = any(value is done.before for value in list(vars(module).values()))
        except Exception:  # noqa: BLE001, S112 a module-like object of the application's
            continue
        if holds:
            _log.warning(
                "otel_fe: %s was imported into %s before it was wrapped; calls from there are not seen",
                done.target,
                name,
            )
