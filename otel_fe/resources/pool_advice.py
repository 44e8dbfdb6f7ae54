"""Recommends the size of a pool, from its traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.formatting import percent
from otel_fe.instrument.libraries.pool_state import SQLALCHEMY
from otel_fe.resources.pools import traffic_of
from otel_fe.resources.results import Recommendation

if TYPE_CHECKING:
    from otel_fe.forecast.traffic import Traffic
    from otel_fe.resources.results import PoolStats

_ENOUGH: Final = 1_000
_FEW: Final = 200
"""Requests below which there is no advice; from the other on, the mean wait of a queue is right to a tenth."""
_SHARE: Final = 0.05
_CLOSE: Final = (0.8, 1.25)
_FAIR: Final = (0.5, 2.0)
_TOO_LARGE: Final = 2
"""A pool is advised to shrink where it is more than so many times as large as needed."""
_CHURN: Final = 0.05
_WRONG_IF: Final = (
    "the database itself is the bottleneck: with more connections its answers then take longer, and the wait moves there",
    "the load changes: the figures are those of the window",
)


def pool_advice(pool: PoolStats, target_ms: float = 1.0) -> list[Recommendation]:
    """Return what to change about a pool; nothing where it is right, or where too little is known.

    Args:
        pool: What it did within the window.
        target_ms: A mean wait that is good enough; or a twentieth of the mean use, if that is longer.
    """
    traffic = traffic_of(pool)
    if traffic is None or pool.requests < _FEW:
        return []
    target_s = max(target_ms / 1e3, _SHARE * traffic.use_s)
    return [
        advice for advice in (_size(pool, traffic, target_s, target_ms), _kept(pool, traffic)) if advice is not None
    ]


def _size(pool: PoolStats, traffic: Traffic, target_s: float, target_ms: float) -> Recommendation | None:
    needed = traffic.size_for(target_s)
    too_small = traffic.wait_s > target_s and needed > traffic.size
    if not too_small:
        needed = max(needed, pool.callers)
        if traffic.size < _TOO_LARGE * needed or pool.waiting is None or pool.timeouts:
            return None
    expected_s = traffic.wait_at(needed)
    confidence, because = _confidence(pool, traffic)
    wrong_if: tuple[str, ...] = _WRONG_IF if too_small else ("peaks outside of the window need more", *_WRONG_IF[1:])
    if traffic.saturated and too_small:
        wrong_if = (*wrong_if, "more callers come once they are held back no longer: ask again at the new size")
    return Recommendation(
        subject=pool.name,
        setting="pool_size + max_overflow" if pool.library == SQLALCHEMY else "max_connections",
        current=traffic.size,
        advised=needed,
        unit="connections",
        saves_ms=(traffic.wait_s - expected_s) * 1e3,
        wait_ms=(pool.wait_ms, expected_s * 1e3),
        arithmetic=_arithmetic(pool, traffic, needed, max(target_ms, target_s * 1e3)),
        confidence=confidence,
        because=because,
        wrong_if=wrong_if,
    )


def _arithmetic(pool: PoolStats, traffic: Traffic, needed: int, target_ms: float) -> str:
    said = (
        f"{traffic.rate:.4g} requests/s x {pool.use_ms:.4g} ms use = {traffic.load:.3g} connections busy on average, of "
        f"{traffic.size}: {percent(traffic.utilisation)}. "
    )
    if traffic.model == "closed":
        said += (
            f"It holds its callers back: {traffic.callers} callers, each back {traffic.think_s * 1e3:.4g} ms after it is done "
            f"(machine repair model M/M/{needed}//{traffic.callers})"
        )
    else:
        said += (
            f"Erlang C, times (ca2 + cs2)/2 = ({traffic.arrivals_variability:.2f} + {traffic.use_variability:.2f})/2 "
            "for the measured variability (Allen-Cunneen)"
        )
    said += f", and times {traffic.agreement:.2f}, the wait seen over the one it gives" if _usable(traffic) else ""
    return (
        f"{said}: {pool.wait_ms:.3g} ms mean wait at {traffic.size}, {traffic.wait_at(needed) * 1e3:.3g} ms at {needed}; "
        f"{needed} is the fewest for at most {target_ms:.3g} ms"
        + ("." if needed > traffic.size else f", or for the {pool.callers} callers that were inside at once.")
    )


def _confidence(pool: PoolStats, traffic: Traffic) -> tuple[str, tuple[str, ...]]:
    agreement = traffic.agreement
    many = pool.requests >= _ENOUGH
    because = [
        f"{pool.requests} requests in the window",
        f"the {traffic.model} model gives {1 / agreement if agreement else 0:.2f} of the wait seen at the current size",
    ]
    if traffic.saturated:
        because.append("the pool is saturated: the demand behind it is only seen as far as it lets it through")
    if many and _CLOSE[0] <= agreement <= _CLOSE[1] and not traffic.saturated:
        return "high", tuple(because)
    return ("medium" if many and _usable(traffic) else "low"), tuple(because)


def _usable(traffic: Traffic) -> bool:
    return _FAIR[0] <= traffic.agreement <= _FAIR[1]


def _kept(pool: PoolStats, traffic: Traffic) -> Recommendation | None:
    """Return the advice to keep connections open, where overflow opens and closes them all the time."""
    if pool.library != SQLALCHEMY or not pool.keeps or not pool.size or pool.keeps >= pool.size:
        return None
    churn = pool.created / pool.requests
    saves_ms = churn * pool.create_ms
    if churn < _CHURN or pool.created <= pool.size:
        return None
    advised = min(pool.size, max(pool.keeps + 1, pool.callers))
    return Recommendation(
        subject=pool.name,
        setting="pool_size",
        current=pool.keeps,
        advised=advised,
        unit="connections",
        saves_ms=saves_ms,
        arithmetic=(
            f"{pool.created} of {pool.requests} requests ({percent(churn)}) opened a connection, {pool.create_ms:.3g} ms each: "
            f"{saves_ms:.3g} ms a request. {pool.keeps} stay open, and {traffic.load:.3g} are busy on average, at most "
            f"{min(pool.callers, pool.size)}."
        ),
        confidence="high" if pool.requests >= _ENOUGH else "medium",
        because=(f"{pool.created} connections opened in the window",),
        wrong_if=("connections are opened anew for another reason: pool_recycle, errors, dispose()",),
    )
