"""Student's t distribution, without scipy: the probability of a value, and the value of a probability."""

from __future__ import annotations

import math
from typing import Final

_TINY: Final = 1e-300
_EPSILON: Final = 1e-12
_TERMS: Final = 500
_HALVINGS: Final = 80
_NEARLY_NORMAL: Final = 1e6


def two_sided(t: float, degrees: float) -> float:
    """Return the probability that |T| is at least |t| with so many degrees of freedom (above 0)."""
    if math.isinf(t):
        return 0.0
    if degrees > _NEARLY_NORMAL:
        return math.erfc(abs(t) / math.sqrt(2))
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


def critical(confidence: float, degrees: float) -> float:
    """Return the t that |T| exceeds with a probability of 1 - `confidence` (0..1, exclusive)."""
    low, high = 0.0, 1.0
    while two_sided(high, degrees) > 1 - confidence and high < 1e9:  # noqa: PLR2004 beyond any use
        low, high = high, high * 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, degrees) > 1 - confidence else (low, middle)
    return high


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    By its continued fraction (Abramowitz and Stegun 26.5.8), evaluated by Lentz's method; from the side where it converges fast.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / _kept(1 + even * d), _kept(1 + even / c)
        found *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / _kept(1 + odd * d), _kept(1 + odd / c)
        found *= d * c
        if abs(d * c - 1) < _EPSILON:
            break
    return found


def _kept(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
