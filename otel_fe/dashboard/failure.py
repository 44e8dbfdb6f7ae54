"""The failure of a trace: its first failed span, the exception, and how far it propagated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe import semconv
from otel_fe.dashboard.span_row import ERROR
from otel_fe.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.store.decoded_trace import DecodedTrace, SpanNode

_EXCEPTION: Final = "exception"
_LONGEST_MESSAGE: Final = 1_000
_LONGEST_STACK: Final = 12_000
_MOST_STEPS: Final = 20
_MOST_OTHERS: Final = 5
_FRAME: Final = re.compile(
    r'^\s*File "(?P<file>[^"\n]+)", line (?P<line>\d{1,9}), in (?P<function>[^\n]+)$', re.MULTILINE
)
_INSTALLED: Final = re.compile(r"(^|[/\\])(site-packages|dist-packages|lib[/\\]python[\d.]+)[/\\]|^<")


class FailedSpan(NamedTuple):
    """A span that an error went through."""

    span_id: str
    name: str
    service: str
    error_type: str
    """Empty where the span does not say."""
    failed: bool
    """False for the span that handled the error and continued."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a trace that propagated furthest; of several, the first."""

    at_ns: int
    """Time after the trace's start."""
    error_type: str
    """Empty where no span has it."""
    message: str
    """Empty unless a span has it."""
    stack: str
    """As recorded; empty where it was not."""
    line: str
    """`file:line function` of the application's innermost frame in the stack; empty without one."""
    steps: tuple[FailedSpan, ...]
    """The spans it passed, from the first one outwards."""
    others: int
    """Spans in which other errors ended."""
    besides: tuple[FailedSpan, ...]
    """The first of those spans."""


def failure_of(trace: DecodedTrace) -> Failure | None:
    """Return the failure of a trace; None where no span has failed."""
    failed = [node.span.status.code == ERROR for node in trace.nodes]
    if not any(failed):
        failed = [semconv.ERROR_TYPE in node.attributes for node in trace.nodes]
    chains = _chains(trace, failed)
    if not chains:
        return None
    # The caller saw the error that propagated furthest; of several, the first.
    chain = min(chains, key=lambda one: (one[-1].depth, _failed_at(one[0]), one[0].index))
    around = chain[-1].parent
    told = [_exception(node) for node in chain]
    kind, stack = (next((one[which] for one in told if one[which]), "") for which in (0, 2))
    steps = [_step(node, one[0], failed=True) for node, one in zip(chain, told, strict=True)]
    if around is not None:
        steps.append(_step(around, "", failed=failed[around.index] and len(chain) >= _MOST_STEPS))
    others = sorted((one[0] for one in chains if one is not chain), key=_failed_at)
    return Failure(
        max(0, _failed_at(chain[0]) - trace.begin_ns),
        kind,
        redact_text(told[0][1] or next((one[1] for one in told if one[1]), "")),
        redact_text(stack),
        _own_line(stack),
        tuple(steps),
        len(others),
        tuple(_step(node, _exception(node)[0], failed=True) for node in others[:_MOST_OTHERS]),
    )


def _chains(trace: DecodedTrace, failed: Sequence[bool]) -> list[list[SpanNode]]:
    """Return, for each span in which an error began, the spans that the error passed: that span first, then outwards.

    An error propagated from a child to its parent if the parent failed too, and began nothing else after the child's end: a span
    that continues after an error has handled it.
    """
    last_start = [0] * len(failed)
    for node in trace.nodes:
        if node.parent is not None:
            last_start[node.parent.index] = max(last_start[node.parent.index], node.start_ns)

    def passed_on(node: SpanNode) -> bool:
        parent = node.parent
        return parent is not None and failed[parent.index] and last_start[parent.index] <= node.end_ns

    took_over = {node.parent.index for node in trace.nodes if failed[node.index] and passed_on(node) and node.parent}
    chains = []
    for node in trace.nodes:
        if failed[node.index] and node.index not in took_over:
            chain = [node]
            while len(chain) < _MOST_STEPS and passed_on(chain[-1]) and chain[-1].parent is not None:
                chain.append(chain[-1].parent)
            chains.append(chain)
    return chains


def _failed_at(node: SpanNode) -> int:
    return max((event.time_unix_nano for event in node.span.events if event.name == _EXCEPTION), default=node.end_ns)


def _exception(node: SpanNode) -> tuple[str, str, str]:
    """Return type, message and stack of a span's exception, as far as they were recorded."""
    told: dict[str, Any] = {}
    for event in node.span.events:
        if event.name == _EXCEPTION:  # the last one left the span
            told = {pair.key: pair.value.string_value for pair in event.attributes}
    known = node.attributes
    kind = told.get("exception.type") or (known[semconv.ERROR_TYPE].string_value if semconv.ERROR_TYPE in known else "")
    message = told.get("exception.message") or node.span.status.message
    if message == kind:
        message = ""
    return str(kind), str(message)[:_LONGEST_MESSAGE], str(told.get("exception.stacktrace", ""))[-_LONGEST_STACK:]


def _own_line(stack: str) -> str:
    """Return the innermost line that is neither installed nor Python's own; else the innermost."""
    frames = list(_FRAME.finditer(stack))
    own = [one for one in frames if not _INSTALLED.search(one["file"])] or frames
    return f"{own[-1]['file']}:{own[-1]['line']} {own[-1]['function']}" if own else ""


def _step(node: SpanNode, error_type: str, *, failed: bool) -> FailedSpan:
    return FailedSpan(node.span.span_id.hex(), node.span.name, node.service, error_type, failed)
