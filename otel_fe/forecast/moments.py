"""Mean and variability of durations, from sums: cheap to add to, and the difference of two moments is exact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of durations in ns; integers, so that a difference loses nothing."""

    count: int = 0
    total_ns: int = 0
    squares_ns2: int = 0

    def plus(self, values_ns: list[int]) -> Moments:
        """Return these with more values."""
        return Moments(
            self.count + len(values_ns),
            self.total_ns + sum(values_ns),
            self.squares_ns2 + sum(value * value for value in values_ns),
        )

    def since(self, earlier: Moments) -> Moments:
        """Return what has been added since `earlier`."""
        return Moments(
            self.count - earlier.count, self.total_ns - earlier.total_ns, self.squares_ns2 - earlier.squares_ns2
        )

    @property
    def mean_s(self) -> float:
        """In seconds; 0 without any."""
        return self.total_ns / self.count / 1e9 if self.count else 0.0

    @property
    def variability(self) -> float:
        """The squared coefficient of variation: variance over the mean's square. 1 if exponential, 0 if constant."""
        if self.count < 2 or not self.total_ns:  # noqa: PLR2004 one value varies from nothing
            return 1.0
        return max(0.0, self.count * self.squares_ns2 / self.total_ns**2 - 1)
