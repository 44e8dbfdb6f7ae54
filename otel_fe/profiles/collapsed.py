"""Collapsed stacks: one line a stack, as flamegraph.pl, speedscope and inferno read them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.profiles.stacks import SlowExtraction


def collapsed(extractions: Iterable[SlowExtraction]) -> str:
    """Return the stacks of extractions added up by weight: `service;feature set;cause;frame;frame microseconds`, the most first."""
    sums: Counter[tuple[str, ...]] = Counter()
    for extraction in extractions:
        for stack in extraction.stacks:
            frames = (extraction.service, extraction.feature_set, stack.cause, *map(str, stack.frames))
            sums[frames] += round(stack.microseconds * extraction.weight)
    lines = [";".join(_plain(frame) for frame in frames if frame) for frames in sums]
    return "".join(
        f"{line} {count}\n"
        for line, count in sorted(zip(lines, sums.values(), strict=True), key=lambda one: (-one[1], one[0]))
    )


def _plain(name: str) -> str:
    """Return a name without what separates frames and lines."""
    return name.replace(";", ":").replace("\n", " ").replace("\r", " ")
