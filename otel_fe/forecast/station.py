"""A resource that extractions share, as queueing theory has it: a station with servers, of which each process may have its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from otel_fe.forecast.erlang import erlang_c, wait_of_those_who_do

POOL: Final = "pool"
"""Connections: first come, first served."""
CORES: Final = "cpu"
GIL: Final = "gil"
EVENT_LOOP: Final = "event_loop"
UNMEASURED: Final = "unmeasured"
"""An unmeasured resource behind the calls: only their durations show it, which grow with their number."""
WORKERS: Final = "workers"
"""Threads that take requests. Who waits for one has not begun yet: the wait is not in any duration."""
MEMORY: Final = "memory"
SHARED: Final = frozenset({CORES, GIL, EVENT_LOOP})
"""Resources without a queue: all who share one become slower."""
WAITED_FOR: Final = frozenset({POOL, UNMEASURED})


@dataclass(frozen=True, slots=True)
class Station:
    """One resource of a service."""

    kind: str
    name: str
    servers: int
    """Servers of each copy: connections of a pool, cores of a machine."""
    copies: float
    """The number of equal ones (processes, machines). Work is spread over them evenly."""
    demand_s: float
    """Server-seconds that an extraction takes in the mean, over all that the service does."""
    base_load: float = 0.0
    """Servers that are busy without any extraction, over all copies."""
    use_s: float = 0.0
    """Mean length of one use."""
    use_variability: float = 1.0
    """Its squared coefficient of variation."""
    visits: float = 1.0
    """Uses by an extraction that has any."""
    asking: float = 1.0
    """The share of extractions, 0..1, with any use of it."""
    of_misses: bool = False
    """Whether those are the ones whose look-ups did not all hit."""
    agreement: float = 1.0
    """Ratio of the measured wait to the wait by theory."""
    speed: float = 1.0
    """Speed of a server, in its demand a second: a quota of 1.5 cores is two servers of 0.75."""
    held_s: float = 0.0
    """Of the GIL and an event loop: the CPU time from an extraction's begin in which it does not yield to others."""
    resumed_s: float = 0.0
    """Likewise: the wait of an extraction after calls that yielded, at a utilisation of a half."""
    resumed_share: float = 0.0
    """The same as a share of its CPU time, of what it waits in proportion to that."""
    unstarted: float = 0.0
    """Of the GIL: the wait for it within extractions is less by the factor 1 + this times utilisation / (1 - utilisation).

    The busier an interpreter, the more of the waiting is before extractions begin: a worker thread that has ended one takes the
    next from the server's queue without giving way to those that have begun.
    """

    @property
    def size(self) -> float:
        """Servers of all copies."""
        return self.servers * self.copies

    @property
    def saturates_at(self) -> float:
        """Extractions a second at which all servers are always busy."""
        return max(0.0, self.size * self.speed - self.base_load) / self.demand_s if self.demand_s > 0 else math.inf

    def load(self, rate: float) -> float:
        """Return how many servers of one copy are busy at a rate of extractions (a second)."""
        return (self.base_load + rate * self.demand_s) / self.copies / self.speed

    def utilisation(self, rate: float) -> float:
        """Return the same as a share of its servers; above 1 where they are too few."""
        return self.load(rate) / self.servers

    def waits(self, rate: float) -> tuple[float, float]:
        """Return the share (0..1) of extractions with a use that wait for a server, and how long those do in the mean, in seconds.

        M/G/c with the Allen-Cunneen approximation; over all uses of an extraction.
        """
        load = self.load(rate)
        if load >= self.servers:
            return 1.0, math.inf
        share = erlang_c(self.servers, load)
        if share <= 0 or self.visits <= 0:
            return 0.0, 0.0
        each_s = wait_of_those_who_do(self.servers, load, self.use_s, 1.0, self.use_variability)
        # 1 - (1 - share) ^ visits, with the digits of a share that is next to nothing.
        waiting = -math.expm1(self.visits * math.log1p(-share))
        if waiting <= 0:
            return 0.0, 0.0
        return waiting, self.agreement * each_s * share * self.visits / waiting

    def mean_wait_s(self, rate: float) -> float:
        """Return by how much waiting for it lengthens the mean extraction at a rate, in seconds; 0 for what is not waited for."""
        if self.kind not in WAITED_FOR:
            return 0.0
        share, each_s = self.waits(rate)
        return share * each_s * self.asking
