"""Reads sections of a document by tables of their keys; every problem is recorded, and none hides another.

A *kind* turns the node at a `Place` into a value, or refuses it. A `Section` is the kind that reads a mapping by a table
of `Key`s into a frozen value, whose own defaults apply to keys that are absent or null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from otel_fe.config import document
from otel_fe.config.document import Scalar, show
from otel_fe.config.problems import Position, Problem
from otel_fe.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Refused(Exception):  # noqa: N818 control flow inside this package; the problem is already recorded
    """A value cannot be used; its problem is already recorded."""


@dataclass(slots=True)
class Report:
    """The problems and references found so far."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    references: list[tuple[Place, Any, str]] = field(default_factory=list)
    """A reference from one component to another: its place, the other's id and required type."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node with its key and the list that collects its problems."""

    node: document.Node
    key: str
    report: Report
    position: Position
    """Of the node's key where it has one, since that is what a reader looks for."""
    name: str = ""
    """The last part of `key`: the entry's own key; empty for items of lists."""

    def problem(self, wanted: str, *, value: bool = True) -> None:
        """Record that something is wrong here; `value=False` where the value says nothing or is a secret."""
        if isinstance(self.node, Scalar) and self.node.broken:
            return
        shown = show(self.node) if value else None
        self.report.problems.append(Problem(self.position, self.key, shown, wanted))

    def refuse(self, wanted: str, *, value: bool = True) -> NoReturn:
        """Record a problem and stop reading this node.

        Raises:
            Refused: Always.
        """
        self.problem(wanted, value=value)
        raise Refused

    def warn(self, wanted: str) -> None:
        """Record that something here is pointless or outdated."""
        self.report.warnings.append(Problem(self.position, self.key, None, wanted))

    def inside(self, entry: document.MappingEntry) -> Place:
        """Return the place of a mapping's entry."""
        key = f"{self.key}::{entry.key}" if self.key else entry.key
        return Place(entry.value, key, self.report, entry.position, entry.key)

    def items(self) -> list[Place]:
        """Return the places of a list's items; none where the node is no list."""
        nodes = self.node.items if isinstance(self.node, document.Sequence) else ()
        return [Place(n, f"{self.key}[{i}]", self.report, n.position) for i, n in enumerate(nodes)]

    def entries(self) -> dict[str, Place]:
        """Return the places of a mapping's entries by key; none for null.

        Raises:
            Refused: The node is neither a mapping nor null.
        """
        if isinstance(self.node, document.Mapping):
            return {entry.key: self.inside(entry) for entry in self.node.entries}
        return {} if self.is_null() else self.refuse("use a mapping")

    def is_null(self) -> bool:
        """Return whether the node is empty (an empty environment variable is not)."""
        node = self.node
        return isinstance(node, Scalar) and node.value is None and node.text is None and not node.broken


Kind = Callable[[Place], T]
"""Converts the node at a place into a value, or raises `Refused`."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that a section may have."""

    kind: Kind[Any]
    field: str | None = ""
    """Of the value made; the key's own name where empty, and None where the key changes nothing."""
    required: str = ""
    """The message if it is missing; empty if it is optional."""
    null_is_empty: bool = False
    """Null is an empty mapping, rather than absent."""
    note: str = ""
    """A warning wherever it is used."""


class Unsupported(str):
    """A key that the Collector has and otel_fe has not; the text says why or what to use instead, and may be empty."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Fields:
    """The values of a section, for checks across its keys."""

    section: Place
    places: Mapping[str, Place]
    values: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a field, or `default` where the file has none (or a wrong one)."""
        return self.values.get(name, default)

    def problem(self, key: str, wanted: str) -> None:
        """Record a problem at a key, or at the section where it lacks that key."""
        place = self.places.get(key)
        if place is None:
            self.section.problem(wanted, value=False)
        else:
            place.problem(wanted, value=isinstance(place.node, Scalar))

    def find(self, *keys: str) -> Place | None:
        """Return the place of a key inside sections of this one; None where the file does not have it."""
        place, places = None, self.places
        for key in keys:
            place = places.get(key)
            if place is None:
                return None
            places = place.entries() if isinstance(place.node, document.Mapping) else {}
        return place


Check = Callable[[Fields], None]
"""Records what is wrong between the keys of a section."""


@dataclass(frozen=True, slots=True)
class Section(Generic[T]):
    """Reads a mapping into a value."""

    make: Callable[..., T]
    keys: Mapping[str, Key | Unsupported]
    check: Check | None = None

    def __call__(self, place: Place) -> T:
        """Return the value made of the section.

        Raises:
            Refused: Something in it is wrong.
        """
        return self.make(**self.fields(place))

    def fields(self, place: Place) -> dict[str, Any]:
        """Return the fields that the section sets, without making the value.

        Raises:
            Refused: Something in it is wrong.
        """
        before = len(place.report.problems)
        places = place.entries()
        values: dict[str, Any] = {}
        refused = [name for name, inner in places.items() if not self._read(name, inner, values)]
        for name, key in self.keys.items():
            if isinstance(key, Key) and key.required and (name not in places or places[name].is_null()):
                self._missing(place, places.get(name), name, key.required)
        if self.check is not None:
            self.check(Fields(place, places, values))
        if refused or len(place.report.problems) > before:
            raise Refused
        return values

    def _missing(self, section: Place, place: Place | None, name: str, wanted: str) -> None:
        if place is not None:
            place.problem(wanted, value=False)
            return
        key = f"{section.key}::{name}" if section.key else name
        section.report.problems.append(Problem(section.position, key, None, wanted))

    def _read(self, name: str, place: Place, values: dict[str, Any]) -> bool:
        """Read one key into `values`; False where it is refused."""
        key = self.keys.get(name)
        if key is None:
            place.problem(f"there is no such key{suggest(name, self.keys)}", value=False)
        elif isinstance(key, Unsupported):
            place.problem(not_supported(key), value=False)
        elif not place.is_null() or key.null_is_empty:
            if key.note:
                place.warn(key.note)
            value = attempt(key.kind, place)
            if value is _REFUSED:
                return False
            if key.field is not None:
                values[key.field or name] = value
        return True


_REFUSED: Final = object()


def attempt(kind: Kind[T], place: Place, otherwise: Any = _REFUSED) -> T | Any:
    """Return what `kind` reads at a place, or `otherwise` where that was refused (and recorded)."""
    try:
        return kind(place)
    except Refused:
        return otherwise


def read_quietly(place: Place, kind: Kind[T]) -> list[tuple[Place, T]]:
    """Return the items of a list that `kind` reads, without recording what it refuses, which has been done before."""
    found: list[tuple[Place, T]] = []
    for item in place.items():
        try:
            found.append((item, kind(replace(item, report=Report()))))
        except Refused:
            continue
    return found


def not_supported(why: str) -> str:
    """Record that the Collector has a key or component and otel_fe has not."""
    return f"it exists in the Collector but is not supported here{f'; {why}' if why else ''}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the nearest of the known names, or nothing."""
    return did_you_mean(name, known)
