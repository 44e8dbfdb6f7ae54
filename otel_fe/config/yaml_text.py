"""Parses YAML text into PyYAML's nodes, with the scalars that go-yaml would see. PyYAML is the extra `collector`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.scalars import Value, resolve
from otel_fe.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

    import yaml

PREFIX: Final = "tag:yaml.org,2002:"
PLAIN: Final = PREFIX + "plain"
"""Our tag of a scalar without quotes or a tag of its own: `scalars.resolve` says what it is."""
TEXT: Final = PREFIX + "str"
_DEEPEST: Final = 64
"""Levels of nesting; a configuration of the Collector has about ten."""
_TYPED: Final = frozenset(PREFIX + name for name in ("int", "float", "bool", "null"))


class YamlSyntaxError(ValueError):
    """The text is no YAML.

    Attributes:
        line: From 1.
        column: From 1.
    """

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def compose(text: str) -> list[yaml.Node]:
    """Return the root of each document in `text`; none for documents without content.

    Raises:
        YamlSyntaxError: `text` is no YAML, or is nested too deeply to read.
        MissingExtraError: PyYAML is not installed.
    """
    module = _pyyaml()
    try:
        return [node for node in module.compose_all(text, Loader=_loader()) if node is not None]
    except module.MarkedYAMLError as error:
        raise _at(error, error.problem_mark or error.context_mark) from error
    except module.reader.ReaderError as error:
        before = text[: error.position]
        line = before.count("\n") + 1
        message = f"the character {error.character!r} is not allowed"
        raise YamlSyntaxError(message, line, len(before) - before.rfind("\n")) from error
    except RecursionError as error:
        raise YamlSyntaxError("it is nested too deeply", 1, 1) from error
    except (ValueError, OverflowError) as error:  # an escape like "\UFFFFFFFF", which PyYAML does not check
        raise YamlSyntaxError(str(error), 1, 1) from error


def scalar_value(node: yaml.Node) -> Value:
    """Return the value of a scalar node; a tag such as `!!str` or `!!int` counts."""
    text: str = node.value
    if node.tag == PLAIN:
        return resolve(text)
    if node.tag in _TYPED:
        value = resolve(text)
        return float(value) if node.tag.endswith("float") and isinstance(value, int) else value
    return text


def is_scalar(node: yaml.Node) -> bool:
    """Return whether a node is neither a list nor a mapping."""
    return node.id == "scalar"  # type: ignore[attr-defined, no-any-return]


def is_merge(node: yaml.Node) -> bool:
    """Return whether a key is the merge key `<<`."""
    return node.tag in (PLAIN, PREFIX + "merge") and node.value == "<<"


def _at(error: Any, mark: Any) -> YamlSyntaxError:
    message = ", ".join(part for part in (error.context, error.problem) if part)
    return YamlSyntaxError(message, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)


def _pyyaml() -> ModuleType:
    try:
        import yaml  # noqa: PLC0415 an extra
    except ImportError as error:
        raise MissingExtraError("reading a Collector configuration", "collector") from error
    return yaml


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    import yaml  # noqa: PLC0415 an extra

    class Loader(yaml.SafeLoader):
        """Leaves it to `scalars.resolve` what a plain scalar is."""

        def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
            if kind is yaml.ScalarNode:
                return PLAIN if implicit[0] else TEXT
            resolved: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
            return resolved

        def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
            # Far below Python's own limit: what reads the nodes afterwards takes several calls for each level.
            self.depth = getattr(self, "depth", 0) + 1
            if self.depth > _DEEPEST:
                raise RecursionError
            try:
                node: yaml.Node | None = super().compose_node(parent, index)
            finally:
                self.depth -= 1
            return node

    return Loader
