"""The wait of callers for one of several servers: connections of a pool, workers of a service.

A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic telephone exchanges",
1917, in the notation of M. Harchol-Balter, "Performance Modeling and Design of Computer Systems", Cambridge 2013, chapter 14.
"""

from __future__ import annotations

import math


def erlang_b(servers: int, load: float) -> float:
    """Return the share of calls that find all servers busy, without a queue.

    By the recursion B(0) = 1, 1/B(n) = 1 + n / (load B(n-1)), that neither overflows nor loses digits; the textbook sum of
    load^n / n! overflows at 171 servers.

    Args:
        servers: At least 1.
        load: Arrival rate times mean service time, in Erlangs; above 0.
    """
    inverse = 1.0
    for n in range(1, servers + 1):
        inverse = 1.0 + inverse * n / load
        if math.isinf(inverse):
            return 0.0
    return 1.0 / inverse


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that a caller has to wait (M/M/c); 1 where the load is as many servers or more.

    C = B / (1 - utilisation (1 - B)): Harchol-Balter 2013, chapter 14.
    """
    if load <= 0:
        return 0.0
    utilisation = load / servers
    if utilisation >= 1:
        return 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1 - utilisation * (1 - blocked))


def open_wait(
    servers: int, rate: float, service_s: float, arrivals_variability: float = 1.0, service_variability: float = 1.0
) -> float:
    """Return the mean wait in seconds, over all callers, of callers that come whatever the queue; infinite when overloaded.

    M/M/c: C / (servers/service - rate). With measured variability, times (ca2 + cs2) / 2: A. O. Allen, "Probability, Statistics
    and Queueing Theory", 2nd ed. 1990, chapter 5 (the Allen-Cunneen approximation; exact for M/M/c and M/G/1).

    Args:
        servers: At least 1.
        rate: Arrivals a second.
        service_s: Mean service time in seconds.
        arrivals_variability: Squared coefficient of variation of the time between arrivals.
        service_variability: The same of the service time.
    """
    load = rate * service_s
    if load <= 0:
        return 0.0
    if load >= servers:
        return math.inf
    return erlang_c(servers, load) * wait_of_those_who_do(
        servers, load, service_s, arrivals_variability, service_variability
    )


def wait_of_those_who_do(
    servers: int, load: float, service_s: float, arrivals_variability: float = 1.0, service_variability: float = 1.0
) -> float:
    """Return the mean wait in seconds of callers that have to wait: see `open_wait`. The load is below the number of servers."""
    return service_s / (servers - load) * (arrivals_variability + service_variability) / 2


def closed_wait(servers: int, callers: int, think_s: float, service_s: float) -> float:
    """Return the mean wait in seconds where a fixed number of callers come back after thinking (M/M/c//N).

    The machine repair model: L. Kleinrock, "Queueing Systems", volume I, 1975, chapter 3. The probability of n callers inside
    follows from w(n+1) / w(n) = (callers - n) service / (min(n + 1, servers) think); the mean wait from Little's law.

    Args:
        servers: At least 1.
        callers: At most these are inside, waiting or being served.
        think_s: Mean time from the end of a service until the same caller comes back; 0 if at once.
        service_s: Mean service time.
    """
    if callers <= servers or service_s <= 0:
        return 0.0
    if think_s <= service_s * 1e-9:
        return (callers - servers) * service_s / servers
    weights = [1.0]
    for n in range(callers):
        weights.append(weights[-1] * (callers - n) * service_s / (min(n + 1, servers) * think_s))
        if weights[-1] > 1e200:  # noqa: PLR2004 only ratios matter
            weights = [weight * 1e-200 for weight in weights]
    busy = sum(weight * min(n, servers) for n, weight in enumerate(weights))
    queue = sum(weight * max(0, n - servers) for n, weight in enumerate(weights))
    return service_s * queue / busy
