"""The arrivals at the backends of a fleet, compared with what must arrive."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.real.fleet import until
from tests.real.fleet_sender import SERVICES, part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.collector.running import Sink


def arrived(*sinks: Sink) -> dict[int, list[int]]:
    """Return, by trace, which sink each of its spans is at."""
    found = defaultdict(list)
    for number, sink in enumerate(sinks):
        for span in sink.spans():
            found[int.from_bytes(span.trace_id, "big")].append(number)
    return dict(found)


def weights(*sinks: Sink) -> dict[bytes, set[str]]:
    """Return, by trace, what `tracestate` says of its weight."""
    found = defaultdict(set)
    for sink in sinks:
        for span in sink.spans():
            found[span.trace_id].add(span.trace_state)
    return dict(found)


def wanted(first: int, last: int) -> set[int]:
    """Return the ids of the traces that must be kept whatever chance says."""
    return {part(number).trace_id for number in range(first, last) if part(number).must_be_kept}


def slow(first: int, last: int) -> set[int]:
    """Return the ids of those of them that are slow, as each of their spans shows: also if it comes long after the others."""
    return {part(number).trace_id for number in range(first, last) if part(number).slow}


def settled(sinks: Sequence[Sink], *musts: set[int]) -> dict[int, list[int]]:
    """Wait until all traces that must be kept are there, whole; return what has arrived."""
    must = set().union(*musts)

    def whole() -> bool:
        found = arrived(*sinks)
        return all(len(found.get(one, ())) >= len(SERVICES) for one in must)

    until(whole)
    return arrived(*sinks)
