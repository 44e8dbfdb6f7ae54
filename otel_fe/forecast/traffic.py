"""The traffic of a pool, and the wait of its callers at another size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from otel_fe.forecast.erlang import closed_wait, open_wait

_MAX_SIZE: Final = 10_000
_SATURATED: Final = 0.95
"""Utilisation from which on callers are held back by the pool itself, so that what arrives is not what would arrive."""
_OPEN: Final = "open"
_CLOSED: Final = "closed"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Measured at one size of a pool."""

    size: int
    """Connections that it could open."""
    rate: float
    """Requests a second."""
    use_s: float
    """Mean time from borrowing to returning."""
    wait_s: float
    """Mean time in the queue, without opening connections."""
    arrivals_variability: float = 1.0
    """Squared coefficient of variation of the time between requests."""
    use_variability: float = 1.0
    """The same of the use."""
    callers: int = 0
    """The most that were inside at once, waiting or using."""

    @property
    def load(self) -> float:
        """Connections that are busy on average, whatever the size, by Little's law: rate times use."""
        return self.rate * self.use_s

    @property
    def utilisation(self) -> float:
        """0..1 of the size."""
        return min(1.0, self.load / self.size)

    @property
    def saturated(self) -> bool:
        """Return whether the pool limits its callers, so that the true demand is hidden."""
        return self.utilisation >= _SATURATED

    @property
    def think_s(self) -> float:
        """Mean time from a caller's return until it comes back, by the interactive response time law; at least 0.

        E. Lazowska et al., "Quantitative System Performance", 1984, chapter 3: N = rate (wait + use + think).
        """
        return max(0.0, self.callers / self.rate - self.wait_s - self.use_s) if self.rate else math.inf

    @property
    def model(self) -> str:
        """`open` or `closed`: whichever comes closer to the wait that was seen."""
        if self.utilisation >= 1 or (self.saturated and self._distance(_CLOSED) < self._distance(_OPEN)):
            return _CLOSED
        return _OPEN

    @property
    def agreement(self) -> float:
        """The measured wait over the model's at the same size; 1 where both are negligible."""
        predicted = self._by(self.model, self.size)
        if max(predicted, self.wait_s) < max(0.02 * self.use_s, 1e-4):
            return 1.0
        return self.wait_s / predicted if predicted else math.inf

    def wait_at(self, size: int) -> float:
        """Return the mean wait in seconds at another size; infinite where the demand could not be met.

        The model's, times `agreement` where that is within a factor of 2: it then carries over what the model does not know
        (bursts, callers that overtake). Beyond that the model does not describe this pool and is left unscaled.
        """
        agreement = self.agreement
        return self._by(self.model, size) * (agreement if 0.5 <= agreement <= 2 else 1.0)  # noqa: PLR2004

    def size_for(self, target_s: float) -> int:
        """Return the smallest size at which the mean wait is at most `target_s`."""
        low = max(1, math.floor(self.load))
        high = low
        while self.wait_at(high) > target_s and high < _MAX_SIZE:
            low, high = high + 1, high * 2
        while low < high:
            middle = (low + high) // 2
            if self.wait_at(middle) > target_s:
                low = middle + 1
            else:
                high = middle
        return high

    def _by(self, model: str, size: int) -> float:
        if model == _CLOSED:
            return closed_wait(size, self.callers, self.think_s, self.use_s)
        return open_wait(size, self.rate, self.use_s, self.arrivals_variability, self.use_variability)

    def _distance(self, model: str) -> float:
        predicted = self._by(model, self.size)
        if not predicted or not self.wait_s:
            return abs(predicted - self.wait_s) / (self.use_s or 1.0)
        return abs(math.log(predicted / self.wait_s)) if math.isfinite(predicted) else math.inf
