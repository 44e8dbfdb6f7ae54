"""A YAML document as a tree with the position of each node, and environment variables replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import yaml_text
from otel_fe.config.environment import Environment, SubstitutionError, Typed
from otel_fe.config.problems import InvalidConfigError, Position, Problem
from otel_fe.redaction import redact_value

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    import yaml

    from otel_fe.config.scalars import Value

_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null."""

    position: Position
    value: Value
    text: str | None = None
    """The original characters of a value that came from a variable; a setting of type string takes these."""
    broken: bool = False
    """A placeholder for a node whose problem is already recorded; no further problem is reported for it."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    position: Position
    items: tuple[Node, ...]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """A key of a mapping, and its value."""

    key: str
    position: Position
    """Position of the key."""
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping, merge keys resolved."""

    position: Position
    entries: tuple[MappingEntry, ...]
    text: str | None = None


Node = Scalar | Sequence | Mapping
"""Any part of a document."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    root: Node
    problems: tuple[Problem, ...]
    """Duplicate keys, references that cannot be replaced and the like."""
    warnings: tuple[Problem, ...]
    """Variables that are not set."""


def read_documents(text: str, file: str, environ: MappingType[str, str]) -> tuple[Document, ...]:
    """Read every document of a file; `file` is its name in messages.

    Raises:
        InvalidConfigError: The text is no YAML. Any other problem is in the documents.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        return tuple(_read(node, file, environ) for node in yaml_text.compose(text))
    except yaml_text.YamlSyntaxError as error:
        problem = Problem(Position(file, error.line, error.column), "", None, f"this is not YAML: {error}")
        raise InvalidConfigError([problem]) from error


def show(node: Node) -> str:
    """Write a node for a message: a scalar as YAML would have it, anything else by its kind."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None or isinstance(node.value, bool):
        return "null" if node.value is None else str(node.value).lower()
    if not isinstance(node.value, str):
        return str(node.value)
    value = redact_value(node.value)  # before it is shortened: half a password is one, too
    plain = value.isprintable() and value.strip() == value != ""
    shown = value if plain else repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"


def _read(root: yaml.Node, file: str, environ: MappingType[str, str]) -> Document:
    tree = _Tree(file, environ)
    try:
        node = tree.node(root, "")
    except RecursionError:
        position = Position(file, 1, 1)
        tree.problems.append(Problem(position, "", None, "it is nested too deeply"))
        node = Mapping(position, ())
    return Document(node, tuple(tree.problems), tuple(tree.warnings))


@dataclass(slots=True)
class _Tree:
    """Turns PyYAML's nodes into ours, each once, however many aliases it has."""

    file: str
    environ: MappingType[str, str]
    position: Position | None = None
    """The position of all nodes inside a variable's value."""
    environment: Environment | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    done: dict[int, Node | None] = field(default_factory=dict)
    """Keyed by identity; None while its children are being read."""

    def node(self, raw: Any, key: str) -> Node:
        """Convert a PyYAML node; `key` is its path."""
        if id(raw) in self.done:
            known = self.done[id(raw)]
            return known if known is not None else self._blank(raw, key, "it must not contain itself")
        self.done[id(raw)] = None
        node: Node
        if raw.id == "mapping":
            node = Mapping(self._position(raw), self._entries(raw, key))
        elif raw.id == "sequence":
            items = tuple(self.node(item, f"{key}[{index}]") for index, item in enumerate(raw.value))
            node = Sequence(self._position(raw), items)
        else:
            node = self._scalar(raw, key)
        self.done[id(raw)] = node
        return node

    def _entries(self, raw: Any, path: str) -> tuple[MappingEntry, ...]:
        entries: dict[str, MappingEntry] = {}
        merged: dict[str, MappingEntry] = {}
        for raw_key, raw_value in raw.value:
            if yaml_text.is_merge(raw_key):
                self._merge(raw_value, path, merged)
                continue
            key = yaml_text.scalar_value(raw_key) if raw_key.id == "scalar" else None
            if not isinstance(key, str):
                self._problem(raw_key, path, "use a string as the key; quote it")
                continue
            inner = f"{path}::{key}" if path else key
            if key in entries:
                first = entries[key].position.line
                self._problem(raw_key, inner, f"this key is already on line {first}; keep one of them")
                continue
            entries[key] = MappingEntry(key, self._position(raw_key), self.node(raw_value, inner))
        return tuple((merged | entries).values())

    def _merge(self, raw: Any, path: str, merged: dict[str, MappingEntry]) -> None:
        sources = raw.value if raw.id == "sequence" else [raw]
        for source in sources:
            node = self.node(source, path)
            if not isinstance(node, Mapping):
                self._problem(source, f"{path}::<<" if path else "<<", "merge a mapping or a list of mappings")
                continue
            for entry in node.entries:
                merged.setdefault(entry.key, entry)

    def _scalar(self, raw: Any, key: str) -> Node:
        value = yaml_text.scalar_value(raw)
        position = self._position(raw)
        if not isinstance(value, str) or "$" not in value:
            return Scalar(position, value)
        environment = self.environment or Environment(self.environ)
        before = len(environment.unset)
        try:
            expanded = environment.expand(value)
            unset = dict.fromkeys(environment.unset[before:])
            node = (
                Scalar(position, expanded)
                if isinstance(expanded, str)
                else self._typed(expanded, environment, raw, key)
            )
        except SubstitutionError as error:
            return self._blank(raw, key, str(error))
        for name in unset:
            warning = f"the environment variable {name} is not set and counts as empty; use ${{env:{name}:-default}}"
            self.warnings.append(Problem(position, key, None, warning))
        return node

    def _typed(self, typed: Typed, environment: Environment, raw: Any, key: str) -> Node:
        position = self._position(raw)
        documents = yaml_text.compose(typed.yaml)
        if not documents:
            return Scalar(position, None, typed.text)
        inner = _Tree(self.file, self.environ, position, environment, self.problems, self.warnings)
        node = inner.node(documents[0], key)
        if isinstance(node, Mapping):
            return Mapping(position, node.entries, typed.text)
        if isinstance(node, Sequence):
            return Sequence(position, node.items, typed.text)
        return Scalar(position, node.value, typed.text)

    def _position(self, raw: Any) -> Position:
        return self.position or Position(self.file, raw.start_mark.line + 1, raw.start_mark.column + 1)

    def _problem(self, raw: Any, key: str, wanted: str) -> None:
        self.problems.append(Problem(self._position(raw), key, None, wanted))

    def _blank(self, raw: Any, key: str, wanted: str) -> Node:
        """Record a problem and return a placeholder."""
        self._problem(raw, key, wanted)
        return Scalar(self._position(raw), None, broken=True)
