"""The functions that a user named in `OTEL_FE_TARGETS`, each call of which is an extraction.

Modules that are imported already are wrapped at once, others right after their code has run, and again after each reload. A
function that something else holds by then (a route, a registry, a module that imported it) is redirected in place, so that
calls from there count; where it cannot be, the holder is named in a warning. Of an abstract method, the implementations in
subclasses are wrapped. A script's own functions (`python app.py` with `app:extract`, or `__main__:extract`) exist only while it
runs, under the name `__main__`: such a target is named in a warning; put the code into a module, or decorate it.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import inspect
import logging
import pkgutil
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.descriptors import NotWrappedError
from otel_fe.instrument.function_redirect import Redirected, describe, holders_of, redirectable
from otel_fe.instrument.libraries.subclasses import Subclasses
from otel_fe.instrument.script import runs_as_script
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.target import Replacement, Target, parse_targets, replace
from otel_fe.instrument.wrapping import is_wrapped, wrap
from otel_fe.nearest import nearest

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
                continue
            command = runs_as_script(target.module)
            if command:
                self._warn(
                    target,
                    f"`{command}` runs that code as __main__, where it cannot be wrapped; move it into a module that the "
                    "script imports, or decorate it with @otel_fe.extraction",
                )
            hooks.on_import(target.module, functools.partial(self._replace, target), again=True)
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
        if any(one.target == target and one.stands_in() for one in self._replaced):
            return  # after autoreload, which has brought the object underneath up to date
        try:
            done = replace(target, module, lambda function: self._make(function, target))
        except NotWrappedError as error:
            self._refuse(target, str(error))
        except Exception as error:  # noqa: BLE001 whatever a descriptor of the application's does, it is not wrapped
            self._refuse(target, f"{type(error).__name__}: {error}")
        else:
            self.refused.pop(str(target), None)
            # After a reload the ones before are gone with the code that they were in.
            self._replaced = [one for one in self._replaced if one.target != target]
            self._replaced.append(done)
            self._replaced_one(done, module)

    def _replaced_one(self, done: Replacement, module: ModuleType) -> None:
        """Called with every target that has been replaced."""
        _warn_of_copies(done, module)

    def _refuse(self, target: Target, reason: str) -> None:
        self.refused[str(target)] = reason
        self._warn(target, reason)

    def _warn(self, target: Target, reason: str) -> None:
        self._reported.add(str(target))
        _log.warning("otel_fe: %s: %s is not wrapped: %s", self._variable, target, reason)


class Targets(NamedTargets):
    """The functions of `OTEL_FE_TARGETS`."""

    def __init__(self, value: str) -> None:
        super().__init__("OTEL_FE_TARGETS", value, self._extraction)
        self._redirected: dict[str, Redirected] = {}
        self._implementations: dict[str, Subclasses] = {}
        self._missed: list[str] = []
        """Of the target that is being replaced, from where calls are not counted."""

    def uninstrument(self) -> None:
        """Put back what was replaced."""
        super().uninstrument()
        for redirected in self._redirected.values():
            redirected.undo()
        for implementations in self._implementations.values():
            implementations.remove()
        self._redirected.clear()
        self._implementations.clear()

    def _extraction(self, function: Callable[..., Any], target: Target) -> Callable[..., Any]:
        """Return what the target's name is to hold: a wrapper, or the function itself where it is reached otherwise."""
        name = str(target)
        if is_wrapped(function):
            return function
        owner = _owner_of(target)
        abstract = inspect.isclass(owner) and getattr(function, "__isabstractmethod__", False)
        spec = Spec(target.label, function=f"{target.module}.{target.qualname}", outermost=abstract)
        method = target.qualname.rpartition(".")[2]
        if abstract:
            self._implementations[name] = Subclasses((owner,), (method,), lambda found: wrap(found, spec))
            self._implementations[name].apply()
            return function
        holders = holders_of(function, owner) if _defines(owner, method, function) else []
        if holders and redirectable(function, holders):
            redirected = Redirected(function, lambda original: wrap(original, spec))  # type: ignore[arg-type]
            self._redirected[name] = redirected
            holders = []
            wrapper: Callable[..., Any] = function
        else:
            wrapper = wrap(function, spec)
        self._missed = [f"{describe(holder)} has held it since before it was wrapped" for holder in holders]
        self._missed += [
            f"{cls.__module__}:{cls.__qualname__}.{method} overrides it" for cls in _overriding(owner, method)
        ]
        return wrapper

    def _replaced_one(self, done: Replacement, module: ModuleType) -> None:  # noqa: ARG002
        """Name what could not be reached."""
        missed, self._missed = self._missed, []
        for reason in missed:
            _log.warning("otel_fe: OTEL_FE_TARGETS: %s: %s; calls from there are not counted", done.target, reason)


def _owner_of(target: Target) -> Any:
    owner: Any = sys.modules.get(target.module)
    for part in target.qualname.split(".")[:-1]:
        owner = getattr(owner, part, None)
    return owner


def _defines(owner: Any, name: str, function: object) -> bool:
    """Return whether a module or class holds a function itself: what it inherits belongs to others too."""
    held = vars(owner).get(name)
    # Not by attribute: a proxy, such as of a Celery task, would be evaluated.
    return held is function or (issubclass(type(held), (staticmethod, classmethod)) and held.__func__ is function)


def _overriding(owner: Any, name: str) -> list[type]:
    """Return the subclasses that there are, of a class, with a method of their own by that name."""
    found: list[type] = []
    waiting = list(type.__subclasses__(owner)) if inspect.isclass(owner) else []
    while waiting:
        cls = waiting.pop()
        waiting.extend(type.__subclasses__(cls))
        if name in vars(cls) and cls not in found:
            found.append(cls)
    return found


def _not_importable(name: str) -> str:
    """Return why a module cannot be found, or an empty string. Searches the path without importing the module."""
    top, _, rest = name.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ""
    if spec is None:
        near = nearest(top, [module.name for module in pkgutil.iter_modules()])
        return f"no module {top}{f'; the closest is {near}' if near else ''}"
    path = spec.submodule_search_locations
    for part in rest.split(".") if rest else ():
        if path is None:
            return f"{top} is not a package"
        names = [module.name for module in pkgutil.iter_modules(list(path))]
        if part not in names:
            near = nearest(part, names)
            return f"no module {name}{f'; the closest is {near}' if near else ''}" if names else ""
        path = [f"{folder}/{part}" for folder in path]
    return ""


def _warn_of_copies(done: Replacement, home: ModuleType) -> None:
    """Name the modules that imported the function itself before it was wrapped: their calls are not measured."""
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
                "otel_fe: %s was imported into %s before it was wrapped; calls from there are not measured",
                done.target,
                name,
            )
