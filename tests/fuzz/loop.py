"""The loop: take a seed, change it, feed it, and watch the time and the memory that it takes."""

from __future__ import annotations

import faulthandler
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz import seeds, targets
from tests.fuzz.mutations import BINARY, TEXT, Mutation, mutated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEEDS = 200
WORTH_CHANGING = range(200, 4_096)
"""Bytes of an input that others are made of."""
HANG_S = 60.0
"""For a thousand inputs; the process then ends with a traceback."""
GROWTH_BYTES = 64 << 20
"""By which memory may grow after the first tenth: what is remembered is bounded, and fills up in that time."""
_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Target:
    """Something to feed."""

    name: str
    feed: Callable[[bytes], bool]
    seed: Callable[[int], bytes]
    mutations: Sequence[Mutation]
    share: int
    """Of ten inputs."""


TARGETS = (
    Target("protobuf", targets.protobuf, seeds.traces, BINARY, 9),
    Target("json", targets.json, seeds.traces_json, TEXT, 1),
)


@dataclass
class Report:
    """The outcome of a run."""

    inputs: int = 0
    accepted: int = 0
    seconds: float = 0.0
    growth_bytes: int = 0
    slowest_s: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.inputs} inputs in {self.seconds:.0f} s, {self.accepted} accepted; "
            f"slowest {self.slowest_s * 1e3:.1f} ms, memory grew by {self.growth_bytes / 1e6:.1f} MB"
        )


class FuzzError(AssertionError):
    """An input that broke something: its bytes are in the message, for a test."""


def run(inputs: int, seconds: float, seed: int | None) -> Report:
    """Feed so many inputs, or for so long.

    Raises:
        FuzzError: Something other than `WireError` was raised, or did not hold.
        MemoryError: Memory grew.
    """
    draw = random.Random(seed)
    pools = {target.name: [target.seed(number) for number in range(2 * SEEDS)] for target in TARGETS}
    order = [target for target in TARGETS for _ in range(target.share)]
    report, began, before = Report(), time.perf_counter(), 0
    while report.inputs < inputs and report.seconds < seconds:
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        for number in range(1_000):
            _feed(draw, order[number % len(order)], pools, report)
        faulthandler.cancel_dump_traceback_later()
        report.seconds = time.perf_counter() - began
        if not before and (report.inputs >= inputs / 10 or report.seconds >= seconds / 10):
            before = _memory()
        report.growth_bytes = _memory() - before if before else 0
        if report.growth_bytes > GROWTH_BYTES:
            raise MemoryError(f"after {report}")
    return report


def _feed(draw: random.Random, target: Target, pools: dict[str, list[bytes]], report: Report) -> None:
    pool = pools[target.name]
    payload = mutated(draw, pool[draw.randrange(2 * SEEDS)], draw.choice(pool), target.mutations)
    since = time.perf_counter()
    try:
        accepted = target.feed(payload)
    except Exception as fault:
        raise FuzzError(f"{target.name}: {fault!r} for\n{payload!r}") from fault
    report.slowest_s = max(report.slowest_s, time.perf_counter() - since)
    report.inputs += 1
    report.accepted += accepted
    if accepted and len(payload) in WORTH_CHANGING:
        # Changes add up in one half of the pool; the other stays as it was, or all would become alike.
        pool[SEEDS + draw.randrange(SEEDS)] = payload


def _memory() -> int:
    return int(_STATM.read_text().split()[1]) * _PAGE
