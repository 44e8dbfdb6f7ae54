"""The slowdown of work on a shared processor: threads on cores, threads under the GIL, tasks of an event loop.

All active jobs get an equal share at once, so that none waits in a queue and all become slower.
"""

from __future__ import annotations

import math

from otel_fe.forecast.erlang import erlang_c


def slowdown(servers: int, load: float) -> float:
    """Return the mean time that work takes over the time that it takes alone; infinite where the load is as many servers.

    1 / (1 - load) for one server, whatever the distribution of the work: L. Kleinrock, "Queueing Systems", volume II, 1976,
    chapter 4. For several, 1 + C / (servers - load), by Erlang C: the mean of M/M/c, which sharing does not change.
    """
    if load >= servers:
        return math.inf
    return 1 + erlang_c(servers, load) / (servers - load) if load > 0 else 1.0


def variance_s2(slow: float, work_s: float, mean_s: float) -> float:
    """Return the variance of the time that some work takes, in s².

    E. Coffman, R. Muntz, H. Trotter, "Waiting time distributions for processor-sharing systems", Journal of the ACM 17, 1970, for
    one server and exponential work. Several servers are taken for one that is as slow.

    Args:
        slow: See `slowdown`; at least 1.
        work_s: How long it takes alone.
        mean_s: Mean work of all jobs.
    """
    busy = 1 - 1 / slow
    idle = 1 - busy
    if busy <= 0 or mean_s <= 0:
        return 0.0
    settled_s = mean_s / idle * -math.expm1(-idle * work_s / mean_s)
    return max(0.0, 2 * busy * mean_s / idle**3 * (work_s - settled_s))
