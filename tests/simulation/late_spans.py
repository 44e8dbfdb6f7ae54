"""Traces of a fleet whose spans come in several requests, in the shapes in which errors come after the root."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.model.span import CLIENT, CONSUMER, ERROR, INTERNAL, PRODUCER, SERVER, UNSET, Resource, Scope, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
_SCOPE = Scope("lib", "1")
_RESOURCES = {name: Resource({"service.name": name}) for name in ("gateway", "features", "worker", "second_worker")}

Sent = tuple[float, Span]
"""When a span ends, in seconds after the start of its trace; and the span."""


@dataclass
class Story:
    """One trace in the making."""

    trace_id: int
    sent: list[Sent] = field(default_factory=list)

    def span(
        self, number: int, parent: int, end_s: float, *, service: str, kind: int = INTERNAL, error: bool = False
    ) -> None:
        """Add a span that ends `end_s` after the trace's start and lasts 5 ms."""
        end_ns = START + round(end_s * SECOND)
        made = Span(
            self.trace_id,
            number,
            parent,
            f"op {number}",
            kind=kind,
            start_ns=end_ns - 5_000_000,
            end_ns=end_ns,
            status=ERROR if error else UNSET,
            resource=_RESOURCES[service],
            scope=_SCOPE,
        )
        self.sent.append((end_s, made))


def child_before_the_root(story: Story) -> None:
    """CLIENT calls SERVER, whose INTERNAL child fails before the root ends."""
    story.span(3, 2, 0.02, service="features", error=True)
    story.span(2, 1, 0.03, service="features", kind=SERVER)
    story.span(1, 0, 0.04, service="gateway", kind=CLIENT)


def background_task(story: Story) -> None:
    """A child of the root fails after it has ended: `BackgroundTasks`, `asyncio.create_task`, a thread pool."""
    story.span(1, 0, 0.03, service="features", kind=SERVER)
    story.span(2, 1, 3.0, service="features", error=True)


def context_by_hand(story: Story) -> None:
    """The context is handed on without a CLIENT span; the other service fails later."""
    story.span(1, 0, 0.03, service="gateway", kind=SERVER)
    story.span(2, 1, 2.0, service="worker", error=True)


def task_not_awaited(story: Story) -> None:
    """A Ray task is submitted, and its caller ends without waiting for it."""
    story.span(2, 1, 0.01, service="features", kind=PRODUCER)
    story.span(1, 0, 0.03, service="features", kind=SERVER)
    story.span(3, 2, 0.5, service="worker", kind=CONSUMER)
    story.span(4, 3, 4.0, service="worker", error=True)


def two_consumers(story: Story) -> None:
    """One message, two consumers, of which the slower one fails."""
    story.span(1, 0, 0.01, service="gateway", kind=PRODUCER)
    story.span(2, 1, 0.1, service="worker", kind=CONSUMER)
    story.span(3, 1, 3.0, service="second_worker", kind=CONSUMER, error=True)


def accepted_then_worked(story: Story) -> None:
    """The server answers 202 Accepted, and fails afterwards."""
    story.span(2, 1, 0.02, service="features", kind=SERVER)
    story.span(1, 0, 0.03, service="gateway", kind=CLIENT)
    story.span(3, 2, 2.5, service="features", error=True)


def call_with_a_local_child(story: Story) -> None:
    """A CLIENT span with a child of its own (connect, DNS, TLS), whose callee fails and flushes later."""
    story.span(3, 2, 0.01, service="gateway")
    story.span(2, 1, 0.9, service="gateway", kind=CLIENT)
    story.span(1, 0, 0.95, service="gateway", kind=SERVER)
    story.span(4, 2, 0.85, service="features", kind=SERVER, error=True)


def two_roots(story: Story) -> None:
    """Two roots under one trace id; the second fails."""
    story.span(1, 0, 0.03, service="gateway", kind=SERVER)
    story.span(2, 0, 3.0, service="worker", error=True)


def second_try(story: Story) -> None:
    """A proxy tries again: two SERVER spans answer one CLIENT span, the second with an error."""
    story.span(1, 0, 0.03, service="gateway", kind=CLIENT)
    story.span(2, 1, 0.02, service="features", kind=SERVER)
    story.span(3, 1, 2.0, service="worker", kind=SERVER, error=True)


def overtaken(story: Story) -> None:
    """The batch with the error is sent before the root's and arrives 4 s after it."""
    story.span(1, 0, 0.03, service="gateway", kind=SERVER)
    story.span(2, 1, 4.0, service="gateway", error=True)


SHAPES = (
    child_before_the_root,
    background_task,
    context_by_hand,
    task_not_awaited,
    two_consumers,
    accepted_then_worked,
    call_with_a_local_child,
    two_roots,
    second_try,
    overtaken,
)


def requests(
    shape: Callable[[Story], None], traces: int, seed: int, flush_s: float = 1.0
) -> Iterator[tuple[float, list[Span]]]:
    """Yield what services send, and when: each flushes what has ended every `flush_s`, at a phase of its own.

    Args:
        shape: Tells the story of a trace.
        traces: How many there are; one begins every 20 ms.
        seed: Of the phases and ids.
        flush_s: The services' `OTEL_BSP_SCHEDULE_DELAY`.
    """
    rng = random.Random(seed)
    phases = {name: rng.uniform(0, flush_s) for name in _RESOURCES}
    batches: dict[tuple[float, str], list[Span]] = {}
    for number in range(traces):
        story = Story(rng.getrandbits(128) | 1)
        shape(story)
        for end_s, span in story.sent:
            service = str(span.resource.attributes["service.name"])
            ended_s = number * 0.02 + end_s
            rounds = -(-(ended_s - phases[service]) // flush_s)
            batches.setdefault((phases[service] + rounds * flush_s, service), []).append(span)
    for (at_s, _), spans in sorted(batches.items(), key=lambda batch: batch[0]):
        yield at_s, spans
