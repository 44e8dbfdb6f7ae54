"""A change of a service, as charts mark it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "version"
"""A new `service.version`."""
RESTART: Final = "restart"
"""Processes that were not there before, of the same version."""
POOL_SIZE: Final = "pool_size"
CACHE_SIZE: Final = "cache_size"
AUTOPILOT: Final = "autopilot"
"""A step of the autopilot's, with its predicted and its measured effect in `detail`."""
KINDS: Final = (VERSION, RESTART, POOL_SIZE, CACHE_SIZE, AUTOPILOT)


@dataclass(frozen=True, slots=True)
class Mark:
    """A change of a service."""

    time_ns: int
    """Unix time at which it was first seen."""
    service: str
    """`service.name`."""
    kind: str
    """One of `KINDS`."""
    subject: str = ""
    """Name of the pool or the cache; empty for a version and a restart."""
    before: str = ""
    """The value until then; empty where there is none, as of a restart."""
    after: str = ""
    """The value from then on; empty likewise."""
    until_ns: int = 0
    """Unix time at which it was last seen to spread, as a rolling deployment does; `time_ns` at least."""
    count: int = 1
    """Processes that changed."""
    detail: Mapping[str, str | float] = field(default_factory=dict)
    """Details of an autopilot step: `outcome`, `predicted_ms`, `measured_ms` and more."""

    @property
    def title(self) -> str:
        """Return the change in a few words: `service.version 1.4 → 1.5`."""
        if self.kind == VERSION:
            return f"service.version {self.before or '(none)'} → {self.after or '(none)'}"
        if self.kind == RESTART:
            return "restart" if self.count == 1 else f"restart of {self.count} processes"
        of = {POOL_SIZE: "pool", CACHE_SIZE: "cache", AUTOPILOT: "autopilot:"}[self.kind]
        text = f"{of} {self.subject} {self.before} → {self.after}"
        outcome = self.detail.get("outcome")
        return f"{text} ({outcome})" if outcome else text
