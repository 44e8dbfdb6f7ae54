"""The traffic of a fleet: requests, in the order in which its services send them.

Each service sends its own spans of a trace at its own time, in requests of its own; or a gateway collector sends those of all
services together; or each service sends each trace's spans at once. The traces are those of `fleet_spans.py`, or differ from them as
`fleet_contents.py` says.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from otel_fe.wire.fields import delimited
from tests.bench.fleet_contents import CONTENTS
from tests.bench.fleet_spans import SERVICES, SPANS_PER_TRACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.fleet_spans import Part

__all__ = ["SERVICES", "SPANS_PER_S", "SPANS_PER_TRACE", "Request", "requests"]

SPANS_PER_S = 20_000
TOGETHER, BY_SERVICE, APART = "together", "by service", "apart"
"""Requests that have spans of all services; of one service; of one service and one trace."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    payload: bytes
    spans: int
    decides: list[str] = field(default_factory=list)
    """Ids of the traces that an error or a slow root in it makes worth keeping, in hexadecimal."""
    ends: list[str] = field(default_factory=list)
    """Ids of the traces whose root is in it."""


def requests(
    spans: int,
    spans_per_request: int,
    skew_s: float,
    seed: int = 1,
    *,
    content: str = "usual",
    joined: str = "",
    spans_per_s: int = SPANS_PER_S,
) -> Iterator[Request]:
    """Yield requests in the order in which a fleet sends them.

    Args:
        spans: How many in all, rounded to whole traces.
        spans_per_request: How many in each, or in the last of a service fewer; at most, where they are sent `APART`.
        skew_s: Each service sends its part of a trace so long after the trace's end, at the most, at a random moment.
        seed: Of everything.
        content: Which of `CONTENTS`.
        joined: What a request has together; by default `BY_SERVICE` where there is a skew, or else `TOGETHER`.
        spans_per_s: The pace at which they will be sent: the skew is as many spans as come within it.
    """
    draw = random.Random(seed)
    traces = CONTENTS[content](draw)
    joined = joined or (BY_SERVICE if skew_s else TOGETHER)
    timed: list[tuple[float, Part]] = []
    made = 0
    while made < spans:
        ended_s = made / spans_per_s
        for part in traces.trace(ended_s):
            timed.append((ended_s + (draw.random() * skew_s if skew_s else 0), part))
            made += len(part.spans)
    timed.sort(key=lambda one: one[0])
    making: dict[int, _Making] = {}
    for _, part in timed:
        filled = making.setdefault(0 if joined == TOGETHER else part.sender, _Making())
        for position, span in enumerate(part.spans):
            filled.add(part, position, span)
            if filled.spans == spans_per_request:
                yield filled.take()
        if joined == APART and filled.spans:
            yield filled.take()
    for filled in making.values():
        if filled.spans:
            yield filled.take()


class _Making:
    """A request in the making."""

    def __init__(self) -> None:
        self._groups: dict[bytes, list[bytes]] = {}
        self.spans = 0
        self._decides: list[str] = []
        self._ends: list[str] = []

    def add(self, part: Part, position: int, span: bytes) -> None:
        self._groups.setdefault(part.frame, []).append(span)
        self.spans += 1
        if position == part.decides:
            self._decides.append(part.trace_id.hex())
        if part.has_root and not position:
            self._ends.append(part.trace_id.hex())

    def take(self) -> Request:
        payload = b"".join(
            delimited(1, frame + delimited(2, _SCOPE + b"".join(spans))) for frame, spans in self._groups.items()
        )
        made = Request(payload, self.spans, self._decides, self._ends)
        self._groups, self.spans, self._decides, self._ends = {}, 0, [], []
        return made


_SCOPE = ScopeSpans(scope=InstrumentationScope(name="fleet", version="1")).SerializeToString()
