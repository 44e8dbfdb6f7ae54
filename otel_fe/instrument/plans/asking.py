"""Known plans, and the limits on requests for further ones."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

from otel_fe import faults
from otel_fe.daemons import start_daemon
from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from otel_fe.clock import Clock

_INTERVAL_NS: Final = 600_000_000_000
"""Until a statement's plan may be requested again: statistics and indexes change."""
_MOST_KNOWN: Final = 256
_MOST_WAITING: Final = 8


class Plans:
    """Plans by statement. Thread-safe; a forked child starts over.

    Args:
        threshold_ns: A statement that took this long, or longer, is slow.
        per_minute: The most plans that are requested in a minute.
        clock: Monotonic time.
        start: Runs a function in the background; a daemon thread by default, which ends when nothing is waiting.
    """

    def __init__(
        self,
        threshold_ns: int,
        per_minute: int,
        clock: Clock,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.threshold_ns = threshold_ns
        self._per_minute = per_minute
        self._clock = clock
        self._start = start or _in_thread
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[int, str]] = OrderedDict()
        """Time of the last request, and the plan; empty where there is none, or none yet."""
        self._asked: deque[int] = deque(maxlen=self._per_minute)
        self._waiting: deque[tuple[Hashable, Callable[[], str], Callable[[str], None]]] = deque()
        self._running = False
        self._closed = False

    def of(self, key: Hashable, ask: Callable[[], str], found: Callable[[str], None]) -> str:
        """Return a statement's plan; empty where it is not known: then it is requested in the background, if allowed.

        Args:
            key: Of the statement.
            ask: Returns the plan, or raises; called in the background.
            found: Called in the background with a requested plan.
        """
        if self._pid != os.getpid():
            self._begin()
        now = self._clock.monotonic_ns()
        start = False
        with self._lock:
            asked_ns, plan = self._known.get(key, (None, ""))
            if (asked_ns is None or now - asked_ns >= _INTERVAL_NS) and self._may_ask(now):
                self._asked.append(now)
                self._known[key] = now, plan
                self._known.move_to_end(key)
                if len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
                self._waiting.append((key, ask, found))
                start, self._running = not self._running, True
        if start:
            self._start(self._work)
        return plan

    def close(self) -> None:
        """Stop requesting plans; one in progress is not waited for."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def _may_ask(self, now: int) -> bool:
        if self._closed or len(self._waiting) >= _MOST_WAITING:
            return False
        return len(self._asked) < self._per_minute or now - self._asked[0] >= MINUTE_NS

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                key, ask, found = self._waiting.popleft()
            try:
                plan = ask()
                if plan and not self._closed:
                    with self._lock:
                        if key in self._known:
                            self._known[key] = self._known[key][0], plan
                    found(plan)
            except Exception as fault:
                faults.record("plans.ask", fault)


def _in_thread(work: Callable[[], None]) -> None:
    start_daemon("plans", "otel-fe-plans", work)


current: Plans | None = None
"""None unless `OTEL_FE_EXPLAIN` is set."""


def begin(plans: Plans) -> Callable[[], None]:
    """Collect plans of slow statements from now on; return the function that ends it."""
    global current  # noqa: PLW0603 read after every statement
    current = plans

    def end() -> None:
        global current  # noqa: PLW0603 likewise
        current = None
        plans.close()

    return end
