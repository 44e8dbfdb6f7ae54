"""The measurements of a window: a sample of its extractions, their number, failures, requests of pools and look-ups of caches."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST: Final = 2_000
"""Extractions of a window that are compared; of more, as many at random."""


@dataclass(frozen=True, slots=True)
class EndedExtraction:
    """An extraction that has ended."""

    end_ns: int
    """Monotonic."""
    duration_ns: int
    wait_ns: int
    """Part of it spent waiting for connections."""
    bad: bool = False
    """The extraction failed, or broke a requirement."""
    failed: bool = False


class WindowPart(NamedTuple):
    """The counts of a part of a window."""

    total: int
    bad: int
    failed: int = 0


@dataclass(slots=True)
class Evidence:
    """The measurements of a window."""

    seen: list[EndedExtraction] = field(default_factory=list)
    total: int = 0
    bad: int = 0
    failed: int = 0
    ticks: list[WindowPart] = field(default_factory=list)
    """The counts of each part that was added."""
    elapsed_ns: int = 0
    """Measured time; 0 if unknown."""
    lookups: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Keyed by cache: time (ns), hits and look-ups of each tick."""
    requests: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Keyed by pool: requests for a connection, and those of them that were answered with an error."""
    _chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 no secret

    def count(self, one: EndedExtraction) -> None:
        """Count an extraction; of more than are compared, each is as likely to stay (reservoir sampling)."""
        self.total += 1
        self.bad += one.bad
        self.failed += one.failed
        if len(self.seen) < MOST:
            self.seen.append(one)
        elif (place := self._chance.randrange(self.total)) < MOST:
            self.seen[place] = one

    def add(self, other: Evidence) -> None:
        """Add the counts of another one."""
        beyond = other.total - len(other.seen)
        for one in other.seen:
            self.count(one)
        self.total += beyond
        self.bad += other.bad - sum(one.bad for one in other.seen)
        self.failed += other.failed - sum(one.failed for one in other.seen)
        self.elapsed_ns += other.elapsed_ns
        self.ticks.append(WindowPart(other.total, other.bad, other.failed))
        for name, ticks in other.lookups.items():
            self.lookups.setdefault(name, []).extend(ticks)
        for name, (requests, failed) in other.requests.items():
            before = self.requests.get(name, (0, 0))
            self.requests[name] = before[0] + requests, before[1] + failed
