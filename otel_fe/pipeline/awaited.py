"""What a trace of very many spans still waits for, kept up to date as they come.

Whoever sends it decides in how many requests it comes: looking at all that has come before with each of them would take the square.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model import span as spans_
from otel_fe.model.id_keys import span_key
from otel_fe.pipeline.databases import is_of_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.span import SpanView

CALLS: Final = (spans_.CLIENT, spans_.PRODUCER)


class Awaited:
    """Parents that are not there, and calls that nobody has answered; `ReceivedTrace.whole` says what that means."""

    __slots__ = ("_ids", "_looked_at", "_missing", "_parents", "_unanswered")

    def __init__(self) -> None:
        self._looked_at = 0
        self._ids: set[bytes] = set()
        self._parents: set[bytes] = set()
        self._missing: set[bytes] = set()
        self._unanswered: set[bytes] = set()

    def nothing(self, spans: Sequence[SpanView]) -> bool:
        """Whether nothing is awaited, given all spans that have come, of which those of the last time are the first."""
        for place in range(self._looked_at, len(spans)):
            self._add(spans[place])
        self._looked_at = len(spans)
        return not self._missing and not self._unanswered

    def _add(self, span: SpanView) -> None:
        key = span_key(span.span_id)
        self._ids.add(key)
        self._missing.discard(key)
        if span.parent_id:
            parent = span_key(span.parent_id)
            self._parents.add(parent)
            self._unanswered.discard(parent)
            if parent not in self._ids:
                self._missing.add(parent)
        if span.kind in CALLS and key not in self._parents and not is_of_database(span):
            self._unanswered.add(key)
