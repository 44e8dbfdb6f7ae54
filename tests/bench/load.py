"""Arrivals of extractions: one after another, from eight threads, or from a thousand tasks."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

THREADS = 8
TASKS = 1_000
TASK_RATE = 1_000.0
"""Extractions a second from all tasks together: below saturation, or all of them would be slow and kept."""


def serial(extract: Callable[[int], object], count: int) -> None:
    """Call `extract` `count` times, back to back."""
    for number in range(count):
        extract(number)


def threaded(extract: Callable[[int], object], count: int) -> None:
    """Call `extract` `count` times in all from `THREADS` threads, each back to back."""
    share, rest = divmod(count, THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        # numbered from 0 in each thread; `rest` is 0 for the counts that the runner hands in
        for done in [pool.submit(serial, extract, share + (thread < rest)) for thread in range(THREADS)]:
            done.result()


async def tasked(extract: Callable[[int], Awaitable[object]], count: int) -> None:
    """Call `extract` `count` times in all from `TASKS` tasks that are alive at once, at `TASK_RATE`."""
    period_s = TASKS / TASK_RATE
    # seeded: every variant sees the same arrivals
    arrivals = random.Random(3)

    async def task(first: float, times: int) -> None:
        await asyncio.sleep(first)
        for number in range(times):
            await extract(number)
            if number + 1 < times:
                await asyncio.sleep(period_s)

    share, rest = divmod(count, TASKS)
    await asyncio.gather(*(task(arrivals.random() * period_s, share + (i < rest)) for i in range(TASKS)))
