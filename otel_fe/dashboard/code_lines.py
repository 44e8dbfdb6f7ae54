"""Lines of code on the pages: the hotspots and the flame graph of slow extractions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.profiles.flame_graph import flame_graph
from otel_fe.profiles.hotspots import hotspots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.profiles.flame_graph import FlameGraph
    from otel_fe.profiles.hotspots import Hotspot
    from otel_fe.profiles.stacks import SlowExtraction
    from otel_fe.store import Selection, StoreReader

_SAMPLE: Final = 200
_MOST_LINES: Final = 8


@dataclass(frozen=True, slots=True)
class CodeLines:
    """The lines of code in which slow extractions spend their time."""

    hotspots: tuple[Hotspot, ...]
    """The application's lines, in the mean slow extraction; the most first."""
    flames: FlameGraph | None
    """None where nothing was sampled."""
    mean_ns: float
    """The duration of the mean slow extraction."""
    sampled: int
    """The number of extractions read."""
    extractions: int
    """The number of slow extractions."""
    compared: bool
    """Whether the flame graph has the times of the rest beside."""


def code_lines(
    found: Sequence[SlowExtraction], extractions: int = 0, rest: Sequence[SlowExtraction] | None = None
) -> CodeLines | None:
    """Return the lines of slow extractions; None where no stack of them is known.

    Args:
        found: Those that were read.
        extractions: How many there are, where not all were read.
        rest: Those to compare with.
    """
    seen = [one for one in found if one.stacks]
    flames = flame_graph(seen, rest)
    if flames is None:
        return None
    weight = sum(one.weight for one in seen)
    mean_ns = sum(one.duration_ns * one.weight for one in seen) / weight
    return CodeLines(
        hotspots(seen, _MOST_LINES), flames, mean_ns, len(seen), max(extractions, len(found)), rest is not None
    )


def selected_lines(reader: StoreReader, selection: Selection, background: Selection | None) -> CodeLines | None:
    """Return the lines of a selection's slow extractions, against those of the background that are not among them."""
    found = reader.slow_extractions(selection, limit=_SAMPLE)
    rest: list[SlowExtraction] | None = None
    if background is not None:
        others = reader.slow_extractions(background, limit=_SAMPLE, without=selection).sampled
        rest = [one for one in others if one.stacks] or None
    return code_lines(found.sampled, found.extractions, rest)
