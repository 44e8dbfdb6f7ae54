"""The report as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.formatting import size
from otel_fe.terminal import paint
from otel_fe.units import MB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.demo.report import DemoReport, Slowest
    from otel_fe.demo.slow_feature_sets import SlowFeatureSet

_BAR: Final = 36


class Text:
    """Renders a report.

    Args:
        colour: Whether to use terminal colours.
    """

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def render(self, report: DemoReport, closing: str = "") -> str:
        """Return the whole report, with a newline at its end; `closing` comes before the causes, which are what is read last."""
        parts = (
            self._latencies(report),
            self._requirements(report),
            self._kept(report),
            self._slowest(report.slowest),
            closing,
            self._why(report.slow_feature_sets),
        )
        return "\n\n".join(part for part in parts if part) + "\n"

    def _paint(self, style: str, text: str) -> str:
        return paint(style, text, colour=self._colour)

    def _latencies(self, report: DemoReport) -> str:
        title = self._paint("bold", f"Latency of {report.extractions:,} extractions, ms")
        rows: list[tuple[str, ...]] = [("feature set", "cache", "count", "p50", "p95", "p99", "max")]
        for row in report.latencies:
            figures = (f"{ms:,.1f}" for ms in (row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms))
            name = row.feature_set if row.cache in ("all", "none") or row.feature_set == "all" else ""
            rows.append(
                (name or ("" if row.cache in ("hit", "miss") else "(none)"), row.cache, f"{row.count:,}", *figures)
            )
        note = self._paint("dim", "  read off the histogram, interpolated within a bucket")
        return f"{title}\n{_table(rows, left=2)}\n{note}"

    def _requirements(self, report: DemoReport) -> str:
        lines = [self._paint("bold", "The four requirements")]
        for requirement in report.requirements:
            if requirement.met is None:
                verdict = self._paint("dim", "no data")
            elif requirement.met:
                verdict = self._paint("green", "met    ")
            else:
                verdict = self._paint("red", "BROKEN ")
            share = f"{100 * requirement.ratio:6.2f} % good of {requirement.total:,}"
            lines.append(f"  {verdict}  {share:<24}  {requirement.meaning}")
        lookups = max(1, report.cache_lookups)
        lines.append(
            f"  look-ups {report.cache_lookups:,}, {100 * report.cache_hits / lookups:.1f} % hits; "
            f"errors {report.errors:,}; resident memory {size(report.memory_mb * MB)}"
        )
        return "\n".join(lines)

    def _kept(self, report: DemoReport) -> str:
        total = sum(report.traces.values())
        why = ", ".join(
            f"{count:,} {reason}"
            for reason, count in sorted(report.traces.items(), key=lambda item: -item[1])
            if reason != "none"
        )
        spans = report.spans
        accounts = (
            f"  spans: {spans['received']:,} received = {spans['sampled']:,} sampled + {spans['not_sampled']:,} not sampled"
            f" + {spans['dropped']:,} dropped + {spans['queued'] + spans['pending']:,} under way"
        )
        found, of = report.exemplars_resolved
        lines = [
            self._paint("bold", f"Kept {report.kept:,} of {total:,} traces") + (f": {why}" if why else ""),
            accounts,
            f"  exemplars: {found} of {of} lead to a trace that was kept",
        ]
        return "\n".join(lines)

    def _why(self, found: list[SlowFeatureSet]) -> str:
        if not found:
            return "No extraction took as long as the threshold of slow ones (OTEL_FE_SLOW_THRESHOLD_S)."
        lines = [self._paint("bold", "Why they are slow")]
        for one in found:
            sentence = one.sentence.replace(one.line, self._paint("yellow", one.line)) if one.line else one.sentence
            lines.append(f"  {sentence}")
            mean = f"{_counted(one.slow, 'slow extraction')}, {one.mean_ms:,.0f} ms in the mean"
            lines.append(self._paint("dim", f"    {mean}; {one.cause} costs {one.cause_ms:,.0f} ms of that"))
        return "\n".join(lines)

    def _slowest(self, slowest: Slowest | None) -> str:
        if slowest is None:
            return "No trace was kept, so there is none to look into."
        head = f"Slowest: {slowest.name}, {slowest.duration_ms:,.1f} ms"
        lines = [f"{self._paint('bold', head)}  trace {slowest.trace_id}"]
        duration = slowest.duration_ms or 1.0
        hotspot = slowest.attributes.get(semconv.HOTSPOT)
        for cause, ms in sorted(slowest.split_ms.items(), key=lambda item: -item[1]):
            if ms > 0:
                bar = "█" * max(1, round(_BAR * ms / duration))
                lines.append(f"  {cause:<14}{ms:>9,.1f}  {self._paint('yellow', bar)}")
        lines.append(f"  {'together':<14}{sum(slowest.split_ms.values()):>9,.1f}")
        if hotspot is not None:
            lines.append(f"  hotspot: {hotspot}, {slowest.attributes.get(semconv.HOTSPOT_TIME, 0) * 1e3:,.1f} ms")
        for name, start, length in slowest.children:
            offset = min(_BAR - 1, round(_BAR * start / duration))
            bar = "▒" * max(1, min(_BAR - offset, round(_BAR * length / duration)))
            lines.append(f"  {name[:14]:<14}{length:>9,.1f}  {' ' * offset}{self._paint('dim', bar)}")
        lines.append(_pool_line(slowest))
        return "\n".join(line for line in lines if line)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _pool_line(slowest: Slowest) -> str:
    attributes = slowest.attributes
    if semconv.POOL_NAME not in attributes:
        return ""
    return (
        f"  pool {attributes[semconv.POOL_NAME]}: {attributes.get(semconv.POOL_IN_USE, '?')} of "
        f"{attributes.get(semconv.POOL_SIZE, 'any number of')} connections in use"
    )


def _table(rows: Iterable[tuple[str, ...]], left: int) -> str:
    """Return rows as aligned columns, the first `left` of them to the left."""
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)
