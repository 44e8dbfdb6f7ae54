"""A store's file while it is open to write: each batch is one transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any

from otel_fe.store.database import open_for_writing
from otel_fe.store.decision_ring import DecisionRows, is_record
from otel_fe.store.inbox import Item
from otel_fe.store.marks import MarkRows
from otel_fe.store.otlp_points import points_in
from otel_fe.store.packing import Packing
from otel_fe.store.points import MetricPoint, points_of
from otel_fe.store.policy_rows import PolicyRows
from otel_fe.store.retention import Retention
from otel_fe.store.rollup_writer import RollupWriter
from otel_fe.store.series_rows import SeriesRows
from otel_fe.store.store_error import InvalidItemError
from otel_fe.store.string_table import StringTable
from otel_fe.store.tiers import Floors
from otel_fe.store.trace_rows import TraceRows
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from otel_fe.store.kept import KeptBatch
    from otel_fe.store.limits import StoreLimits


class Session:
    """Writes to one file. Belongs to one thread.

    Args:
        directory: The store's; the caller has the right to write there.
        limits: Its settings.
        tally: Counts points of metrics that are out of the ordinary.
        now_ns: Unix time.

    Raises:
        sqlite3.Error: The disk is full, or fails.
        OSError: Likewise.
    """

    def __init__(self, directory: Path, limits: StoreLimits, tally: Counter[str], now_ns: int) -> None:
        connection = self._connection = open_for_writing(directory, fsync=limits.fsync)
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._names = StringTable(connection)
            self._names.sweep()
            self._cells = RollupWriter(connection)
            self._traces = TraceRows(connection, self._names, Packing.begin(connection), self._cells)
            self._marks = MarkRows(connection)
            self._records = DecisionRows(connection, limits.max_records)
            self._policies = PolicyRows(connection)
            floors = Floors.of(connection)
            floors.begin(connection, limits, now_ns // NS_PER_S)
            self._series = SeriesRows(connection, limits, floors, tally)
            connection.execute("COMMIT")
            self.retention = Retention(connection, limits, floors, self._cells)
        except BaseException:
            connection.close()
            raise

    def write(self, batch: Sequence[Item], now_ns: int) -> Counter[str]:
        """Commit a batch; return how many of each kind it holds now, and under `invalid` how many it does not.

        Raises:
            sqlite3.Error: Nothing of it was committed.
            OSError: Likewise.
        """
        connection = self._connection
        done: Counter[str] = Counter()
        records: list[Mapping[str, Any] | bytes] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for item in batch:
                if item.kind == "record" and is_record(item.content):
                    records.append(item.content)
                    done["record"] += 1
                elif item.kind == "record":
                    done["invalid"] += 1
                elif item.kind == "batch":
                    records += self._add_batch(item.content, now_ns, done)
                else:
                    done[item.kind if self._valid(item, now_ns) else "invalid"] += 1
            if records:
                self._records.add(records)
            connection.execute("COMMIT")
        except BaseException:
            self._forget()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return +done

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def _add_batch(self, batch: KeptBatch, now_ns: int, done: Counter[str]) -> list[Mapping[str, Any] | bytes]:
        """Write the traces, the policies and the points of a batch; return its records."""
        self._policies.add(batch.policies, now_ns // NS_PER_S)
        counted = [content for content in (batch.metrics, batch.points) if content]
        if counted:
            valid = [self._valid(Item("metrics", content, 0), now_ns) for content in counted]
            done["metrics" if all(valid) else "invalid"] += 1
        if batch.traces and self._valid(Item("traces", batch.traces, 0), now_ns):
            done["trace"] += len(batch.traces)
        else:  # one of them is wrong: the others are still written
            for trace in batch.traces:
                done["trace" if self._valid(Item("trace", trace, 0), now_ns) else "invalid"] += 1
        records = [record for record in batch.records if is_record(record)]
        done["record"] += len(records)
        done["invalid"] += len(batch.records) - len(records)
        return records

    def _valid(self, item: Item, now_ns: int) -> bool:
        """Write an item; where it cannot be, leave nothing of it, and return false."""
        self._connection.execute("SAVEPOINT item")
        try:
            self._add(item, now_ns)
        except (InvalidItemError, ValueError, OverflowError, TypeError, KeyError, sqlite3.InterfaceError):
            self._connection.execute("ROLLBACK TO item")
            self._connection.execute("RELEASE item")
            self._forget()
            return False
        self._connection.execute("RELEASE item")
        return True

    def _forget(self) -> None:
        """Forget all state that is not in the file: the last transaction was rolled back."""
        for one in (self._names, self._series, self._cells, self._marks, self._policies):
            one.forget()

    def _add(self, item: Item, now_ns: int) -> None:
        content = item.content
        if item.kind in ("trace", "traces"):
            traces = (content,) if item.kind == "trace" else content
            self._traces.add(traces, now_ns // NS_PER_S)
            self._marks.look_at(traces)
        elif item.kind == "logs":
            trace_id, logs = content
            self._traces.add_logs(trace_id, logs, now_ns // NS_PER_S)
        else:
            self._add_metrics(content, now_ns)

    def _add_metrics(self, content: Any, now_ns: int) -> None:
        """Count the points of an encoded export, of `ResourceMetrics`, or that are given as such."""
        if isinstance(content, bytes):
            for point in points_in(content):
                self._add_point(point, now_ns)
        else:
            for each in content:
                points = (each,) if isinstance(each, MetricPoint) else points_of(each)
                for point in points:
                    self._add_point(point, now_ns)
        self._series.flush()

    def _add_point(self, point: MetricPoint, now_ns: int) -> None:
        if not self._marks.look_at_point(point):
            self._series.add(point, now_ns)
