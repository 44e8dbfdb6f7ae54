"""The spans of a trace by their parents, and the calls that were made below one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model.id_keys import span_key
from otel_fe.model.span import OUTGOING_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.span import SpanView

_FEW: Final = 64
"""Of so few spans the ids themselves can be keys, in half the time: at worst, all are compared with all."""
_MOST_STEPS: Final = 1_000_000
"""Less than a second of work. Senders decide how deeply spans are nested, and n nested ones have n * n / 2 ancestor pairs."""


class SpanTree:
    """The parents and descendants of a trace's spans.

    Args:
        spans: Of one trace.
        most_steps: How many spans are passed, over all questions; after them, calls are no longer found, and the time that they
            took stays unexplained.
    """

    def __init__(self, spans: Sequence[SpanView], most_steps: int = _MOST_STEPS) -> None:
        self._children: dict[bytes | int, list[SpanView]] = {}
        self._steps_left = most_steps
        few = self._few = len(spans) <= _FEW
        children = self._children
        for span in spans:
            key = span.parent_id if few else span_key(span.parent_id)
            if key in children:
                children[key].append(span)
            else:
                children[key] = [span]

    def calls_below(self, span: SpanView) -> list[SpanView]:
        """Return the calls of other services that were made below a span, at any depth."""
        found: list[SpanView] = []
        few, children = self._few, self._children
        passed: set[bytes | int] = set()
        waiting: list[bytes | int] = [span.span_id if few else span_key(span.span_id)]
        while waiting:
            key = waiting.pop()
            if key in passed:  # a span id that occurs twice, or in a circle, is followed once
                continue
            passed.add(key)
            for child in children.get(key, ()):
                if not self._steps_left:
                    return found
                self._steps_left -= 1
                waiting.append(child.span_id if few else span_key(child.span_id))
                if child.kind in OUTGOING_KINDS:
                    found.append(child)
        return found
