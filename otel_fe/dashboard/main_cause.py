"""The main cause of a trace's slowest extraction: its time split by cause, and the main one with its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe import semconv
from otel_fe.dashboard.comparison import NAMES
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.semconv import CAUSE_UNEXPLAINED

if TYPE_CHECKING:
    from otel_fe.profiles.repeated_calls import RepeatedCalls
    from otel_fe.profiles.stacks import SlowExtraction
    from otel_fe.store import KeptExtraction
    from otel_fe.store.decoded_trace import SpanNode


@dataclass(frozen=True, slots=True)
class MainCause:
    """The time of one extraction by cause."""

    span_id: str
    feature_set: str
    duration_ns: int
    slow: bool
    """Whether it was slow: it names its bottleneck, or took 100 ms. Else the cause is only what took most."""
    cause: str
    """The known cause that took most; empty where none is known."""
    name: str
    time_ns: int
    line: str
    """`file:line` where most of that time went; empty where it is not known."""
    function: str
    line_ns: int
    """The time of the cause."""
    unexplained_ns: int
    """The time without a known cause."""
    split: tuple[tuple[str, int], ...]
    """Cause and time, the most first. Adds up to the duration."""
    repeated: tuple[RepeatedCalls, ...]
    """The N+1s among its calls, those that take most of its time first."""

    @property
    def explained(self) -> bool:
        """Return whether the cause took more than what is not explained."""
        return bool(self.cause) and self.time_ns >= self.unexplained_ns


def main_cause(extraction: KeptExtraction, node: SpanNode | None, seen: SlowExtraction) -> MainCause:
    """Return where an extraction's time went.

    Args:
        extraction: As it is stored.
        node: Its span; None where that is not there.
        seen: Its stacks and N+1s.
    """
    split = sorted(((cause, ns) for cause, ns in extraction.split.items() if ns), key=lambda part: -part[1])
    known = [part for part in split if part[0] != CAUSE_UNEXPLAINED]
    cause, time_ns = known[0] if known else ("", 0)
    where, line_ns = _line(cause, extraction, node, seen)
    line, _, function = where.partition(" ")
    return MainCause(
        f"{extraction.span_id:016x}",
        extraction.feature_set or "",
        extraction.duration_ns,
        is_slow(extraction.duration_ns, node),
        cause,
        NAMES.get(cause, ""),
        time_ns,
        line,
        function,
        line_ns,
        extraction.split.get(CAUSE_UNEXPLAINED, 0),
        tuple(split),
        seen.repeated,
    )


def is_slow(duration_ns: int, node: SpanNode | None) -> bool:
    """Return whether an extraction was slow: it names its bottleneck, or took 100 ms."""
    return duration_ns >= LATENCY_LIMIT_NS or (node is not None and semconv.BOTTLENECK in node.attributes)


def _line(cause: str, extraction: KeptExtraction, node: SpanNode | None, seen: SlowExtraction) -> tuple[str, int]:
    """Return the line with most of a cause's time, and the time: as the process reports it, or by its stacks."""
    said = {} if node is None else node.attributes
    if semconv.HOTSPOT in said and semconv.BOTTLENECK in said and said[semconv.BOTTLENECK].string_value == cause:
        time = said.get(semconv.HOTSPOT_TIME)
        ns = 0 if time is None or not 0 <= time.double_value < 1e9 else round(time.double_value * 1e9)  # noqa: PLR2004
        return said[semconv.HOTSPOT].string_value, min(ns, extraction.duration_ns)
    lines = [one for one in seen.lines if one.cause == cause]
    most = max(lines, key=lambda one: one.microseconds, default=None)
    return ("", 0) if most is None else (str(most.frames[0]), most.time_ns)
