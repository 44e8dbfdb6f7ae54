"""The wait between retries: exponential, randomized, bounded; as the Collector's `retry_on_failure`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.config.sending import Retry


class Backoff:
    """The waits of one request.

    Args:
        retry: Their settings.
        random: Returns a number in [0, 1) at each call.
        started_ns: When the first try began; `max_elapsed_time` counts from there.
    """

    def __init__(self, retry: Retry, random: Callable[[], float], started_ns: int) -> None:
        self._retry = retry
        self._random = random
        self._interval_ns = 0
        self._until_ns = started_ns + retry.max_elapsed_time_ns if retry.max_elapsed_time_ns else None

    def wait_ns(self, now_ns: int, asked_ns: int = 0) -> int | None:
        """Return how long to wait before the next try, or None to give up.

        Args:
            now_ns: When the last try failed.
            asked_ns: The wait that the backend requests: a lower bound.
        """
        wait_ns = max(self._next_ns(), asked_ns)
        # Exactly at the end one more try is made: the Collector gives up only for what would begin after it.
        if self._until_ns is not None and now_ns + wait_ns > self._until_ns:
            return None
        return wait_ns

    def _next_ns(self) -> int:
        """Return a randomized interval, and move on to the next: github.com/cenkalti/backoff v7, `ExponentialBackOff`."""
        retry = self._retry
        current = self._interval_ns or retry.initial_interval_ns
        # Compared before it is multiplied, and against the bound: an initial interval beyond it holds for the first wait.
        grown = current * retry.multiplier
        self._interval_ns = retry.max_interval_ns if grown >= retry.max_interval_ns else int(grown)
        if not retry.randomization_factor:
            return current
        spread = retry.randomization_factor * current
        # One more than the width, so that each nanosecond of it, both ends too, is as likely.
        return int(current - spread + self._random() * (2 * spread + 1))
