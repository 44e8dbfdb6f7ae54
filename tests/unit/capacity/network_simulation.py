"""A service event by event, exactly: processes with a pool each and an interpreter lock each, on shared cores.

An extraction computes (processor sharing under its process's lock and on all cores), and then maybe uses a connection
(first come, first served). Time is simulated: no clock, no thread, every run of a seed the same.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Seen:
    """One extraction as it was measured."""

    start_s: float
    duration_s: float = 0.0
    cpu_s: float = 0.0
    wait_s: float = 0.0
    use_s: float = 0.0
    asked: bool = False
    _asked_at: float = 0.0


@dataclass
class Service:
    """A simulated service. Functions draw from `rng`; `use` returns None for an extraction that needs no connection."""

    cpu: object
    use: object = lambda rng: None
    other: object = lambda rng: 0.0  # time that nothing shares: calls of other services
    processes: int = 1
    cores: float = math.inf
    lock: bool = True  # the GIL: one core a process at most
    pool: float = math.inf
    serial: bool = False  # connections of all processes take turns in the database, as writers of SQLite do
    _state: dict = field(default_factory=dict)

    def run(self, rate, seconds, seed, start_s=0.0):
        """Return all extractions that began in some seconds of Poisson arrivals, in order of their beginning."""
        rng = random.Random(seed)
        seen, events, number, now = [], [], 0, 0.0
        computing = [{} for _ in range(self.processes)]  # extraction: work left
        busy, queues = [0] * self.processes, [deque() for _ in range(self.processes)]
        arrival = rng.expovariate(rate)
        free_at = 0.0

        def active():
            """Return the processes with extractions that compute, these, and how fast each of them does."""
            wanted = sum([min(len(one), 1) if self.lock else len(one) for one in computing])
            share = min(1.0, self.cores / wanted) if wanted else 1.0
            return [
                (process, one, (min(len(one), 1) if self.lock else len(one)) * share / len(one))
                for process, one in enumerate(computing)
                if one
            ]

        def ask(index, process):
            one = seen[index]
            use = self.use(rng)
            if use is None:
                heapq.heappush(events, (now + self.other(rng), len(events), "end", index, process, 0.0))
                return
            one.asked, one.use_s, one._asked_at = True, use, now
            queues[process].append(index)
            serve(process)

        def serve(process):
            nonlocal free_at
            while queues[process] and busy[process] < self.pool:
                index = queues[process].popleft()
                one = seen[index]
                busy[process] += 1
                one.wait_s = now - one._asked_at
                if self.serial:
                    free_at = max(now, free_at) + one.use_s
                    one.use_s = free_at - now
                heapq.heappush(events, (now + one.use_s, number * 1_000_000 + index, "back", index, process, 0.0))

        # Flat: the tests simulate millions of these.
        running = active()
        while arrival < seconds or events or running:
            end, ending = math.inf, 0
            for process, left, each in running:
                when = now + min(left.values()) / each
                if when < end:
                    end, ending = when, process
            due = events[0][0] if events else math.inf
            coming = arrival if arrival < seconds else math.inf
            then = min(end, due, coming)
            for _, left, each in running:
                done = (then - now) * each
                for index in left:
                    left[index] -= done
            now = then
            if then == coming:
                seen.append(Seen(start_s + now))
                index, process = len(seen) - 1, rng.randrange(self.processes)
                number += 1
                seen[index].cpu_s = work = self.cpu(rng)
                computing[process][index] = work
                running = active()
                arrival = now + rng.expovariate(rate)
            elif then == due:
                _, _, what, index, process, _ = heapq.heappop(events)
                if what == "back":
                    busy[process] -= 1
                    serve(process)
                    heapq.heappush(
                        events, (now + self.other(rng), number * 1_000_000 + index, "end", index, process, 0.0)
                    )
                else:
                    seen[index].duration_s = start_s + now - seen[index].start_s
            else:
                index = min(computing[ending], key=computing[ending].get)
                del computing[ending][index]
                running = active()
                ask(index, ending)
        return seen


def p95(durations):
    ordered = sorted(durations)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]
