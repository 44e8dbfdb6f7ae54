"""Records faults inside otel_fe: they are counted and logged, and never reach the application.

Every hook calls its own work inside `try/except Exception` and hands what it caught to `record`. One log line per
hook, at WARNING, when it first fails; afterwards only the counter `otel_fe.faults` moves.
"""

from __future__ import annotations

import logging
from collections import Counter

_log = logging.getLogger("otel_fe")

_counts: Counter[str] = Counter()
"""Faults by hook. The GIL makes each `+= 1` good enough: a count lost to a race hides no hook."""


def record(hook: str, error: BaseException) -> None:
    """Count a fault of `hook`, and log it when it is the hook's first."""
    try:
        _counts[hook] += 1
        if _counts[hook] == 1:
            _log.warning(
                "otel_fe: %s failed and was skipped; the application is not affected. "
                "Further faults of it are only counted, in otel_fe.faults.",
                hook,
                exc_info=error,
            )
    except Exception:  # noqa: S110 a broken log handler of the host is not ours to raise
        pass


def unavailable(hook: str, reason: object) -> None:
    """Count what the system does not provide or permit, such as a file of `/proc`: no fault of otel_fe's, so only a debug line."""
    try:
        _counts[hook] += 1
        if _counts[hook] == 1:
            _log.debug("otel_fe: %s is unavailable, and what it would report is missing: %s", hook, reason)
    except Exception:  # noqa: S110 likewise
        pass


def counts() -> dict[str, int]:
    """Return the faults so far, by hook."""
    return dict(_counts)


def reset() -> None:
    """Forget all faults; for tests, and for a process that was just forked."""
    _counts.clear()
