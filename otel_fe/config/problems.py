"""The problems of a document: the position, what was found, and what would be valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file."""

    file: str
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or, as a warning, one that is pointless."""

    position: Position
    key: str
    """From the top of the document: `processors::tail_sampling::policies[2]::latency::threshold_ms`."""
    value: str | None
    """As it was found, shortened and without credentials; None where nothing was, or where it may be a secret."""
    wanted: str
    """The correct form, as a sentence."""

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.position), self.key, self.value, self.wanted) if part)


class InvalidConfigError(ConfigurationError):
    """A document that cannot be used; the message has one line a problem, in the order of the file.

    Attributes:
        problems: All of them, at least one. `where`, `value` and `wanted` are the first one's.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda problem: problem.position))
        first = self.problems[0]
        super().__init__(f"{first.position}: {first.key}", first.value, first.wanted)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
