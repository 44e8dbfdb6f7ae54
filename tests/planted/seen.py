"""The findings on the slow extractions of a planted service: the first cause, its line, and the unexplained rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.launched import Exported

PREFIX = "feature_extraction."
TIME = f"{PREFIX}time."


@dataclass
class Seen:
    """The milliseconds of a service's slow extractions, added up: one that went wrong does not decide."""

    by_cause: Counter[str] = field(default_factory=Counter)
    by_line: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By cause and `file:line function`."""
    extractions: int = 0

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.by_cause + other.by_cause, self.by_line + other.by_line, self.extractions + other.extractions)

    def first(self, *besides: str) -> str:
        """Return the cause that took most, besides those named; empty where nothing was slow."""
        found = {cause: ms for cause, ms in self.by_cause.items() if cause not in besides}
        return max(found, key=found.__getitem__, default="")

    def line(self, cause: str) -> str:
        """Return the line that took most of a cause; empty where none is named."""
        found = {line: ms for (its, line), ms in self.by_line.items() if its == cause}
        return max(found, key=found.__getitem__, default="")

    @property
    def slow_ms(self) -> float:
        """The duration of all slow extractions."""
        return sum(self.by_cause.values())

    @property
    def unexplained_ms(self) -> float:
        """The part of it without a cause."""
        return self.by_cause["unexplained"]


def seen_in(exported: Exported) -> Seen:
    """Add up the extractions that were slow."""
    seen = Seen()
    for span in exported.extractions():
        times = {k.removeprefix(TIME): v * 1e3 for k, v in span["attributes"].items() if k.startswith(TIME)}
        if not times:
            continue
        seen.extractions += 1
        seen.by_cause.update(times)
        for event in span["events"]:
            for text in event["attributes"].get(f"{PREFIX}stacks.top", ()):
                cause, _, rest = text.partition(" ")
                line, _, microseconds = rest.rpartition(" ")
                seen.by_line[cause, line] += int(microseconds) / 1e3
    return seen
