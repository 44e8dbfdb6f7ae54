"""A service's measurements for the model: windows of minutes, a sample of extractions, the sizes of its resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.forecast.prediction import Observed
    from otel_fe.store.distribution import Distribution


@dataclass(frozen=True, slots=True)
class PoolActivity:
    """The activity of a pool in a window, over all processes."""

    uses: int
    use_s: float
    """Time in which connections were out, all together."""
    wait_s: float
    """Waits of callers, without opening connections, all together."""


@dataclass(frozen=True, slots=True)
class ServiceWindow:
    """Some minutes of a service."""

    since_ns: int
    seconds: float
    durations: Mapping[str, Distribution]
    """Durations of extractions in seconds, by feature set."""
    cpu_s: float
    """CPU time of extractions."""
    cpu_count: int
    """Extractions with known CPU time."""
    process_cpu_s: float | None = None
    """CPU time of all processes; None where they do not report it."""
    processes: float | None = None
    """Mean number of processes."""
    pools: Mapping[str, PoolActivity] = field(default_factory=dict)
    peak: float | None = None
    """The most extractions that one process ran at once; None where it is not reported."""
    others_cpu_s: float | None = None
    """CPU time that other processes used on the same machines."""
    memory_bytes: float | None = None
    """The most resident memory of one process."""

    @property
    def count(self) -> int:
        """Extractions."""
        return sum(one.count for one in self.durations.values())

    @property
    def rate(self) -> float:
        """Extractions a second."""
        return self.count / self.seconds

    @property
    def total_s(self) -> float:
        """Durations of all extractions, together."""
        return sum(one.total for one in self.durations.values())


@dataclass(frozen=True, slots=True)
class PoolSize:
    """A pool as it is set up in each process."""

    size: int
    use_variability: float
    """Squared coefficient of variation of the time from borrowing to returning."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The size of a service."""

    processes: float
    cores: float | None
    """Cores that a machine, or container, lets the service use; None if unknown."""
    machines: int = 1
    pools: Mapping[str, PoolSize] = field(default_factory=dict)
    event_loop: bool = False
    """Whether its extractions run as tasks of an event loop."""
    has_gil: bool = True
    memory_limit_bytes: float | None = None
    """Memory limit of one process."""
    missing: tuple[str, ...] = ()
    """Unknown figures of the service, in words."""


@dataclass(frozen=True, slots=True)
class MeasuredService:
    """All that is known of a service."""

    service: str
    windows: tuple[ServiceWindow, ...]
    rows: tuple[Observed, ...]
    setup: Setup
