"""One target: finds the function that a user named, replaces it in its module, and restores it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.errors import ConfigurationError
from otel_fe.instrument import celery_tasks
from otel_fe.instrument.descriptors import NotWrappedError, remade
from otel_fe.instrument.transparent_wrapper import is_stand_in, underneath
from otel_fe.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_ABSENT: Final = object()
_IMMUTABLE_TYPE: Final = 1 << 8
_HEAP_TYPE: Final = 1 << 9
"""CPython's `Py_TPFLAGS_…`: a class of the first kind, or not of the second, cannot be patched."""


@dataclass(frozen=True, slots=True)
class Target:
    """A name to replace: `module:qualified.name[=label]`."""

    module: str
    """Dotted name of the module."""
    qualname: str
    """Name within the module; dotted for what is inside a class."""
    label: str = ""
    """The part after `=`: the feature set."""

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"


def parse_targets(variable: str, value: str) -> list[Target]:
    """Return the targets of a comma-separated list.

    Args:
        variable: The variable that holds it, for messages.
        value: For example `shop.features:UserFeatures.extract=user_profile,shop.text:embed`.

    Raises:
        ConfigurationError: An entry has another form, or occurs twice.
    """
    found: dict[str, Target] = {}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        name, _, label = (part.strip() for part in entry.partition("="))
        module, colon, qualname = (part.strip() for part in name.partition(":"))
        parts = [*module.split("."), *qualname.split(".")]
        if not colon or not all(part.isidentifier() for part in parts):
            raise ConfigurationError(variable, entry, "use module:qualified.name[=feature_set]")
        target = Target(module, qualname, label)
        if str(target) in found:
            raise ConfigurationError(variable, entry, "name each target once")
        found[str(target)] = target
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Replacement:
    """A target that was replaced."""

    target: Target
    """The named target."""
    owner: Any
    """The module or class that held it."""
    name: str
    """The attribute of the owner."""
    before: object
    """The original entry of the owner's `__dict__`; a mark where it only inherited the name."""
    after: object
    """Its present value."""

    def stands_in(self) -> bool:
        """Return whether a stand-in of ours is still there, which has no code of its own that a reload could have exchanged."""
        return is_stand_in(self.after) and vars(self.owner).get(self.name) is self.after

    def undo(self) -> None:
        """Restore the original, unless another library has replaced it since: theirs then still calls ours."""
        if isinstance(self.after, celery_tasks.TaskTarget):
            self.after.undo()
            return
        if vars(self.owner).get(self.name) is not self.after:
            return
        if self.before is _ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.before)


def replace(
    target: Target, module: ModuleType, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Replacement:
    """Replace what a target names by what `make` returns for it.

    Static and class methods and properties stay such; a method that is only inherited is replaced on the class that was named.
    A Celery task stays the very object that its application has registered: what it runs is replaced.

    Raises:
        NotWrappedError: The target cannot be found, or not be replaced.
    """
    owner = _owner(target, module)
    name = target.qualname.rpartition(".")[2]
    held = inspect.getattr_static(owner, name, _ABSENT)
    if held is _ABSENT:
        raise NotWrappedError(f"no such name{_nearest(target.qualname, owner)}")
    before = vars(owner).get(name, _ABSENT)
    if celery_tasks.is_task(held):
        task = celery_tasks.TaskTarget(held, target.module, target.qualname, make)
        return Replacement(target, owner, name, before, task)
    after = remade(held, lambda function: make(_called_through_its_name(function)))
    try:
        setattr(owner, name, after)
    except (AttributeError, TypeError) as error:
        raise NotWrappedError(f"it cannot be replaced: {error}") from None
    return Replacement(target, owner, name, before, after)


def _owner(target: Target, module: ModuleType) -> Any:
    owner: Any = module
    for part in target.qualname.split(".")[:-1]:
        inner = getattr(owner, part, None)
        if not inspect.isclass(inner):
            what = "no such class" if inner is None else f"{part} is a {type(inner).__name__}, not a class"
            raise NotWrappedError(f"{what}{_nearest(target.qualname, owner, part)}")
        owner = inner
    return owner


def _called_through_its_name(function: Any) -> Any:
    """Return a callable that a stand-in may replace; an instance of a class with `__call__` is better left as it is.

    Raises:
        NotWrappedError: The target is such an instance.
    """
    kind = type(underneath(function))
    replaceable = kind.__flags__ & _HEAP_TYPE and not kind.__flags__ & _IMMUTABLE_TYPE
    if replaceable and not (inspect.isroutine(function) or hasattr(function, "__wrapped__")):
        raise NotWrappedError(
            f"it is an instance of {kind.__qualname__}; name {kind.__qualname__}.__call__ of its module"
        )
    return function


def _nearest(qualname: str, owner: Any, part: str | None = None) -> str:
    """Return a hint at the closest name that exists."""
    wanted = part or qualname.rpartition(".")[2]
    names = [name for name in dir(owner) if not name.startswith("__")]
    near = nearest(wanted, names, 0.5)
    return f"; the closest is {near}" if near else ""
