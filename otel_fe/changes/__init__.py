"""Changes of a service, and what each did to its latency.

`mark.py` is a change, `tracker.py` finds changes in what processes say of themselves, and `comparison.py` compares the extractions
before a change with those after it. Pure: the store keeps marks, pages and commands show them.
"""

from __future__ import annotations

from otel_fe.changes.comparison import BeforeAndAfter, Sampled, TooLittleError, compare
from otel_fe.changes.mark import Mark
from otel_fe.changes.tracker import Fact, Tracker
from otel_fe.changes.weighted import Difference

Compared = BeforeAndAfter
"""The former name of `BeforeAndAfter`."""

__all__ = ["BeforeAndAfter", "Difference", "Fact", "Mark", "Sampled", "TooLittleError", "Tracker", "compare"]
