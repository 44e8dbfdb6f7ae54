"""`${env:NAME}`, `${env:NAME:-default}`, `${NAME}` and `$$`, with the meaning that the Collector gives them.

A scalar that consists of one reference takes the type of the variable's value, read as YAML: a number, a list, a mapping. Inside
other text a reference is replaced by the variable's characters. References in a variable's value are followed. `$$` is a dollar
sign; a text whose first reference is escaped by one is left as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_fe.config import yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_SUBSTITUTIONS: Final = 1_000
"""Most substitutions in one scalar: the Collector's bound on variables that refer to each other."""
LONGEST: Final = 1 << 20
"""Characters that a scalar may have after substitution."""
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)
_PROVIDERS: Final = frozenset(("file", "http", "https", "yaml"))


class SubstitutionError(ValueError):
    """A reference that cannot be replaced; the message names what would be valid."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The value of a lone reference, where it is not a string."""

    yaml: str
    """YAML of the value; it may hold further references."""
    text: str | None
    """The value as a string, where one is wanted; None where it cannot be one."""


@dataclass(slots=True)
class Environment:
    """Replaces the references in one scalar, and counts the substitutions."""

    environ: Mapping[str, str]
    unset: list[str] = field(default_factory=list)
    """Variables that were neither set nor had a default; each counts as empty."""
    left: int = MOST_SUBSTITUTIONS

    def expand(self, text: str) -> str | Typed:
        """Return `text` without references, and with its `$$` as `$`.

        Raises:
            SubstitutionError: A reference is malformed, of another kind than `env`, or in a cycle.
        """
        while (reference := _first_reference(text)) is not None:
            self._spend(text)
            value, is_text = self._retrieve(reference)
            if reference == text and not is_text:
                return Typed(value, self._as_text(value))
            text = value if reference == text else text.replace(reference, value)
        return text.replace("$$", "$")

    def _as_text(self, value: str) -> str | None:
        try:
            expanded = self.expand(value) if value != "" else ""
        except SubstitutionError:
            return None
        return expanded if isinstance(expanded, str) else expanded.text

    def _spend(self, text: str) -> None:
        self.left -= 1
        if self.left < 0 or len(text) > LONGEST:
            raise SubstitutionError(
                "environment variables refer to each other in a cycle, or expand to too long a text"
            )

    def _retrieve(self, reference: str) -> tuple[str, bool]:
        """Return the value of a reference, and whether it is a string."""
        name, default = _split(reference)
        value = self.environ.get(name, default)
        if value is None:
            self.unset.append(name)
            return "", False
        if value == "":
            return "", name not in self.environ  # an empty default is a string, an empty variable is null
        return value, _is_text(value)


def _first_reference(text: str) -> str | None:
    """Return the first innermost `${…}`, or None where there is none or it is escaped."""
    start = 0
    while (end := text.find("}", start)) >= 0:
        opening = text.rfind("${", start, end + 1)
        if opening < 0:
            start = end + 1
            continue
        before = text[start:opening]
        dollars = len(before) - len(before.rstrip("$"))
        return None if dollars % 2 else text[opening : end + 1]
    return None


def _split(reference: str) -> tuple[str, str | None]:
    """Return the name of the variable in a reference, and the default, if any."""
    inside = reference[2:-1]
    match = _SCHEME.fullmatch(inside if ":" in inside else f"env:{inside}")
    scheme, opaque = (match[1], match[2]) if match else (inside.partition(":")[0], "")
    if scheme in _PROVIDERS:
        raise SubstitutionError(f"${{{scheme}:…}} exists in the Collector but is not supported here; use ${{env:NAME}}")
    if scheme != "env" or match is None:
        raise SubstitutionError(f"{reference} is not a valid reference; use ${{env:NAME}} or ${{env:NAME:-default}}")
    name, has_default, default = opaque.partition(":-")
    if "$" in opaque or not _NAME.fullmatch(name):
        raise SubstitutionError(
            f"{reference} has no valid variable name; use letters, digits and _, not starting with a digit"
        )
    return name, default if has_default else None


def _is_text(value: str) -> bool:
    try:
        documents = yaml_text.compose(value)
    except yaml_text.YamlSyntaxError:
        return True
    if not documents:
        return False
    first = documents[0]
    return yaml_text.is_scalar(first) and isinstance(yaml_text.scalar_value(first), str)
