"""Runs several tasks at once, with one time limit for all."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from otel_fe.daemons import start_daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


def run_concurrently(tasks: Mapping[str, Callable[[], T]], timeout_s: float) -> tuple[dict[str, T], dict[str, str]]:
    """Run tasks in threads of their own; return what they returned, and of the others the class of the error.

    A name server that does not answer holds up a thread for as long as it likes; it does not hold up the caller, and as the
    thread is a daemon, it does not hold up the end of the process.
    """
    returned: dict[str, T] = {}
    failed: dict[str, str] = {}

    def run(name: str, task: Callable[[], T]) -> None:
        try:
            returned[name] = task()
        except Exception as error:  # noqa: BLE001 whatever it is, it is the answer
            failed[name] = type(error).__name__

    end = monotonic() + timeout_s
    threads = [start_daemon("reading", "otel-fe-reading", run, *pair) for pair in tasks.items()]
    for name, thread in zip(tasks, threads, strict=True):
        if thread is None:
            failed[name] = "RuntimeError"
        else:
            thread.join(max(0.0, end - monotonic()))
    answered, refused = dict(returned), dict(failed)
    late = {name: "TimeoutError" for name in tasks if name not in answered and name not in refused}
    return answered, {**refused, **late}
