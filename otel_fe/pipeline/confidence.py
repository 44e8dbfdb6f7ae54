"""Confidence bounds of a rate from few events: without scipy, and, where Prometheus has to decide alike, expressible in PromQL.

Both bounds take events as independent; `budget.py` widens what is not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

    from otel_fe.model.slo import EventCounts

CONFIDENCE: Final = 0.99
"""An alert's share is exceeded with at least this confidence, in its long window."""
NEEDED: Final = math.log(1 / (1 - CONFIDENCE))
"""The evidence that this takes."""
_Z: Final = 1.959963984540054
"""The normal quantile for 95 %, both sides."""
_STEPS: Final = 60  # halvings: beyond a float's precision


def evidence(bad: float, total: float, share: float) -> float:
    """Return how strongly `bad` of `total` events speak for a true share above `share`: -ln of Chernoff's bound.

    If each event were bad with a chance of `share`, at least `bad` of them would be with a chance of at most e^-evidence:
    total * KL(bad/total || share), or 0 where bad/total does not exceed it (Hoeffding 1963, "Probability Inequalities for
    Sums of Bounded Random Variables", theorem 1, equation 2.1). It never claims more than Clopper-Pearson's exact bound,
    and is right for few events, unlike Wilson's, which one bad event of one satisfies at any usual confidence. Being
    a closed form, it can be said in PromQL as well, so that Prometheus decides alike.
    """
    if not total or bad <= total * share:
        return 0.0
    if share <= 0:
        return math.inf
    good = total - bad
    found = bad * math.log(bad / (total * share))
    return found + good * math.log(good / (total * (1 - share))) if good > 0 else found


def exceeds(counts: EventCounts, share: Fraction) -> bool:
    """Return whether the true share of bad events is above `share` with `CONFIDENCE`."""
    return evidence(counts.bad, counts.total, float(share)) >= NEEDED


def at_least(counts: EventCounts) -> float:
    """Return the share of bad events that is exceeded with `CONFIDENCE`; 0 without events."""
    low, high = 0.0, counts.bad / counts.total if counts.total else 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if evidence(counts.bad, counts.total, middle) >= NEEDED:
            low = middle
        else:
            high = middle
    return low


def interval(bad: float, total: float) -> tuple[float, float]:
    """Return the two-sided 95 % interval of a share, (0, 1) without events.

    Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference". The numbers may be fractions, as
    effective sample sizes are.
    """
    if total <= 0:
        return 0.0, 1.0
    z2 = _Z * _Z
    share = bad / total
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return max(0.0, centre - half), min(1.0, centre + half)
