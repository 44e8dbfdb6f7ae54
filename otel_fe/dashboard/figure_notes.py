"""Notes on each figure of the pages: its meaning and source, counted over all extractions or estimated from kept traces."""

from __future__ import annotations

from typing import Final, NamedTuple

from otel_fe.requirements import LATENCY, SLOW

COUNTED: Final = "Counted over all extractions, before any trace is sampled."
ESTIMATED: Final = "Estimated from kept traces, each by the number that it stands for."
OF_ONE: Final = "Measured in this very extraction."


class FigureNote(NamedTuple):
    """A figure in words."""

    name: str
    meaning: str
    source: str
    """One of `COUNTED`, `ESTIMATED`, `OF_ONE`, or a sentence."""

    @property
    def text(self) -> str:
        """All of it, as a tooltip."""
        return f"{self.meaning} {self.source}"


NOTES: Final = {
    "health": FigureNote("Health", "Weighted mean of the four requirements, held down while an alert fires.", COUNTED),
    "p95": FigureNote("p95", "95 % of extractions took no longer.", f"{COUNTED} Right to a bucket's width."),
    "p50": FigureNote("Median", "Half of all extractions took no longer.", f"{COUNTED} Right to a bucket's width."),
    "p99": FigureNote("p99", "99 % of extractions took no longer.", f"{COUNTED} Right to a bucket's width."),
    "throughput": FigureNote("Throughput", "Extractions a second, over the time in which was counted.", COUNTED),
    "extractions": FigureNote("Extractions", "How many there were.", COUNTED),
    "slow": FigureNote(
        f"≥ {LATENCY}", f"The share of extractions that took {LATENCY} or more; at most {SLOW} may.", COUNTED
    ),
    "hits": FigureNote("Cache hits", "Of the extractions that look up, those whose every look-up hit.", COUNTED),
    "errors": FigureNote("Errors", "The share of extractions that failed.", COUNTED),
    "share": FigureNote("Share of slow time", f"Of the time of extractions that took {LATENCY} or more.", ESTIMATED),
    "without": FigureNote("p95 would be", "p95 if it had not been for one cause.", ESTIMATED),
    "selection": FigureNote(
        "Selection, rest", "The mean of the selection, and of all that is not selected.", ESTIMATED
    ),
    "started": FigureNote("Started", "When the extraction began, in your time zone.", OF_ONE),
    "duration": FigureNote("Duration", "Of the extraction, from its start to its end.", OF_ONE),
    "split": FigureNote("Where the time went", "The duration by cause; the parts add up to it.", OF_ONE),
    "cause": FigureNote("Cause", "What most of a slow extraction's time was.", OF_ONE),
    "weight": FigureNote(
        "Weight", "How many extractions a kept trace stands for.", "1 over the probability that it was kept with."
    ),
    "kept_by": FigureNote("Kept by", "The sampling policy that kept the trace.", "Decided by the pipeline."),
}
"""Keyed by the name that templates use."""
