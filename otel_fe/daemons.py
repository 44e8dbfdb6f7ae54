"""Daemon threads, in interpreters that may have them.

An isolated subinterpreter has no daemon threads (Python 3.12 and later), or no threads at all (before), and a container may be at
its limit of processes. Features that need such a thread are then left out; the application continues.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Callable


def start_daemon(hook: str, name: str, target: Callable[..., Any], *args: Any) -> threading.Thread | None:
    """Return a daemon thread that has been started; None, counted and with a debug line, where none can be started.

    Args:
        hook: What does without it, as `faults` counts it.
        name: Of the thread.
        target: The function to run.
        args: Its arguments.
    """
    try:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        thread.start()
    except RuntimeError as refused:
        faults.unavailable(f"{hook}.thread", refused)
        return None
    return thread
